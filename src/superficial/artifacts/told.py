"""What the jobs of one run tell the process that started them: lines, and how far each of them is.

Jobs run beside each other and would draw over one another. So they leave what they have to say in a folder, and the one
process that has the terminal shows it. Nothing here may stop a job: where nothing can be written, nothing is told.
"""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

VARIABLE = "SUPERFICIAL_PROGRESS"  # of the environment: names the folder to the jobs
FOLDERS = "progress-*"  # in Snakemake's own folder
LINES = "lines.txt"


def invite() -> Path:
    """Let the jobs of this process tell it what they do; returns the folder, which the first of them makes."""
    folder = Path(".snakemake") / FOLDERS.replace("*", str(os.getpid()))
    os.environ[VARIABLE] = str(folder)  # from the folder of the run, where jobs start
    return folder


def delete_told(state: Path) -> None:
    """Delete what killed runs left in `state`; only for a process that is alone there."""
    for folder in state.glob(FOLDERS):
        shutil.rmtree(folder, ignore_errors=True)


def listener() -> Path | None:
    """The folder where somebody reads what this job tells; None where nobody does."""
    given = os.environ.get(VARIABLE)
    if not given:
        return None
    with suppress(OSError):
        Path(given).mkdir(exist_ok=True)
        return Path(given).resolve()
    return None


def tell(folder: Path | None, line: str) -> bool:
    """A line for a person; whether it was left in the folder."""
    if folder is None:
        return False
    with suppress(OSError):
        with open(folder / LINES, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{line}\n")
        return True
    return False


def show(folder: Path, log: Path, text: str) -> None:
    """How far the job with this log is: a line with the name of the work, and one with numbers; empty when it ends."""
    path = folder / _name(log)
    with suppress(OSError):
        path.with_suffix(".new").write_text(text, encoding="utf-8", errors="backslashreplace")
        path.with_suffix(".new").replace(path)


def shown(folder: Path, log: Path) -> tuple[str, str]:
    """The name of the work and its numbers; both empty where the job has told nothing."""
    with suppress(OSError, UnicodeError):
        work, _, numbers = (folder / _name(log)).read_text(encoding="utf-8").partition("\n")
        return work, numbers
    return "", ""


def _name(log: Path) -> str:
    return hashlib.sha256(os.fsencode(log)).hexdigest()[:16]
