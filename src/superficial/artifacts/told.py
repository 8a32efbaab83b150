"""What the jobs of one run tell the process that started them: lines, and how far each of them is.

Jobs run beside each other and would draw over one another. So they leave what they have to say in a folder, and the one
process that has the terminal shows it. Nothing here may stop a job: where nothing can be written, nothing is told.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from superficial.artifacts.run_folder import RunFolder

TOLD = RunFolder("SUPERFICIAL_PROGRESS", "progress")  # where one process shows the run
LINES = "lines.txt"


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
