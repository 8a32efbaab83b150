"""The errors of all jobs of one run, kept in one file so that the workflow can repeat them at its end."""

import atexit
import os
from contextlib import suppress
from pathlib import Path

VARIABLE = "SUPERFICIAL_ERRORS"  # of the environment: names the file to the jobs
FILES = "errors-*.txt"  # in Snakemake's own folder


def errors_file(state: Path) -> Path:
    """Where the jobs of this process leave their errors: a file in Snakemake's folder `state`.

    Nothing is made here: a job that fails makes the file, and it goes when this process ends. A kill leaves it behind;
    the next run deletes it (`stale_lock.enter`). Where the environment names a file already, that one is taken, because
    then another process started this one.
    """
    if given := os.environ.get(VARIABLE):
        return Path(given)
    path = state.resolve() / FILES.replace("*", str(os.getpid()))
    os.environ[VARIABLE] = str(path)
    atexit.register(_delete, path)
    return path


def delete_errors(state: Path) -> None:
    """Delete what killed runs left in `state`; only for a process that is alone there."""
    for path in state.glob(FILES):
        _delete(path)


def _delete(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
