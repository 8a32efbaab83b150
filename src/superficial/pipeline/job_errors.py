"""The errors of all jobs of one run, kept to be repeated at its end, and so that no mistake is worked on twice."""

import atexit
import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from superficial.artifacts.run_folder import RunFolder

ERRORS = RunFolder("SUPERFICIAL_ERRORS", "errors")
ALL = "all.txt"  # beside it, a file with the name of a job's key holds the error of that job


def errors_file(state: Path) -> Path:
    """Where the jobs of this process leave their errors: in a folder in Snakemake's folder `state`.

    Nothing is made here: a job that fails makes the file, and it goes when this process ends. Where the environment
    names a folder already, that one is taken, because then another process started this one.
    """
    folder = ERRORS.announced()
    if folder is None:
        folder = ERRORS.announce(state.resolve())
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / ALL


def remember(line: str, job: Sequence[str]) -> None:
    """Leave the error of a `job`, which is its command line, for the end of the run and for its next try.

    Where nothing can be written, as on a full disk, it was told all the same.
    """
    if folder := ERRORS.made():
        with suppress(OSError):
            with open(folder / ALL, "a", encoding="utf-8") as file:
                file.write(line + "\n")
            (folder / _key(job)).write_text(line, encoding="utf-8")


def remembered(job: Sequence[str]) -> str:
    """The error that this `job` left earlier in this run, else nothing.

    Snakemake knows no exit code that forbids another try; so a try that can only fail again ends before its work.
    """
    if folder := ERRORS.announced():
        with suppress(OSError):
            return (folder / _key(job)).read_text(encoding="utf-8")
    return ""


def _key(job: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(job).encode()).hexdigest()[:16]
