"""The worked examples of docs/extending.md, taken from the page."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.project import ROOT

SECTION = re.compile(r"^## (.+?): (.+)$", re.MULTILINE)
FILE = re.compile(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ snakemake (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One section: what its heading counts, the files that it shows, and the command that uses them."""

    counted: str
    files: Mapping[str, str]
    command: list[str]

    def write(self, folder: Path) -> None:
        for name, text in self.files.items():
            assert not (folder / name).exists(), name
            (folder / name).write_text(text)


def examples() -> dict[str, Example]:
    """Every section by what it adds."""
    parts = SECTION.split((ROOT / "docs/extending.md").read_text())[1:]
    found = {}
    for what, counted, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        (command,) = COMMAND.findall(text)
        found[what] = Example(counted, dict(FILE.findall(text)), shlex.split(command))
    return found
