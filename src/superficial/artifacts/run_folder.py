"""Folders in which the jobs of one run leave something for it, or for each other.

Each has the process id of the run in its name, and the environment names it to the jobs. A killed run leaves it behind.
"""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """One kind of these folders: the `variable` of the environment that names it, and what its name begins with."""

    variable: str
    name: str

    def announce(self, state: Path) -> Path:
        """From now on the jobs of this process know its folder in `state`, Snakemake's own; the first one makes it."""
        folder = state / f"{self.name}-{os.getpid()}"
        shutil.rmtree(folder, ignore_errors=True)  # a killed run may have had this process id
        os.environ[self.variable] = str(folder)
        return folder

    def announced(self) -> Path | None:
        """The folder of the run that this process belongs to; None where there is none."""
        given = os.environ.get(self.variable)
        return Path(given) if given else None

    def made(self) -> Path | None:
        """The same folder, which is there now; None also where it cannot be made."""
        folder = self.announced()
        if folder:
            with suppress(OSError):
                folder.mkdir(exist_ok=True)
                return folder.resolve()
        return None

    def delete_left(self, state: Path) -> None:
        """Delete what killed runs left in `state`; only for a process that is alone there."""
        for folder in state.glob(f"{self.name}-*"):
            shutil.rmtree(folder, ignore_errors=True)
