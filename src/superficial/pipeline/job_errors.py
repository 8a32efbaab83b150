"""The errors of all jobs of one run, kept to be repeated at its end, and so that no mistake is worked on twice."""

import atexit
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

VARIABLE = "SUPERFICIAL_ERRORS"  # of the environment: names the file to the jobs
FILES = "errors-*.txt"  # in Snakemake's own folder; beside each, FILE.KEY holds the error of the job with that key


def errors_file(state: Path) -> Path:
    """Where the jobs of this process leave their errors: a file in Snakemake's folder `state`.

    Nothing is made here: a job that fails makes the file, and it goes when this process ends. A kill leaves it behind;
    the next run deletes it. Where the environment names a file already, that one is taken, because
    then another process started this one.
    """
    if given := os.environ.get(VARIABLE):
        return Path(given)
    path = state.resolve() / FILES.replace("*", str(os.getpid()))
    _delete(path)  # a killed run may have had this process id
    os.environ[VARIABLE] = str(path)
    atexit.register(_delete, path)
    return path


def delete_errors(state: Path) -> None:
    """Delete what killed runs left in `state`; only for a process that is alone there."""
    for path in state.glob(f"{FILES}*"):
        _unlink(path)


def remember(line: str, job: Sequence[str]) -> None:
    """Leave the error of a `job`, which is its command line, for the end of the run and for its next try.

    Where nothing can be written, as on a full disk, it was told all the same.
    """
    if path := os.environ.get(VARIABLE):
        with suppress(OSError):
            with open(path, "a", encoding="utf-8") as file:
                file.write(line + "\n")
            _own(path, job).write_text(line, encoding="utf-8")


def remembered(job: Sequence[str]) -> str:
    """The error that this `job` left earlier in this run, else nothing.

    Snakemake knows no exit code that forbids another try; so a try that can only fail again ends before its work.
    """
    if path := os.environ.get(VARIABLE):
        with suppress(OSError):
            return _own(path, job).read_text(encoding="utf-8")
    return ""


def _own(path: str, job: Sequence[str]) -> Path:
    key = hashlib.sha256("\0".join(job).encode()).hexdigest()[:16]
    return Path(f"{path}.{key}")


def _delete(path: Path) -> None:
    for file in [path, *path.parent.glob(f"{path.name}.*")]:
        _unlink(file)


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
