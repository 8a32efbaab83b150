"""The folder in which commands work: one with `config/` and, for what makes results, `Snakefile`.

In a checkout it is the checkout. Elsewhere the package brings these files along (`superficial/project/` of a wheel),
and lays them into a folder of the user's: models and results grow there, too.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import PACKAGE, file_sha256, whole_file
from superficial.artifacts.job_log import say

MARK = "config/config.yaml"
PACKED = PACKAGE / "project"
OF_FILES = (
    "adapter",
    "aligned",
    "base",
    "file",
    "instructions",
    "out",
    "path",
    "prompt_dir",
    "published_dir",
    "source",
)
RECORD = ".from_package.json"  # sha256 of each file as the package laid it there


def enter_project(words: Sequence[str]) -> list[str]:
    """Go to the folder; what `words` set (KEY=PATH) still means the same files there.

    Raises:
        UserError: neither this folder nor the package has the workflow.
    """
    here, checkout = Path.cwd(), PACKAGE.parents[1]
    if is_project(here):
        return list(words)
    if is_project(PACKED):
        folder = home()
        lay_out(PACKED, folder)
    elif is_project(checkout):
        folder = checkout
    else:
        raise UserError("no Snakefile and no config/", where=str(here), remedy="go to the folder of the project")
    os.chdir(folder)
    return [absolute(word, here) for word in words]


def is_project(folder: Path) -> bool:
    """Whether the workflow is there."""
    return (folder / MARK).is_file()


def home() -> Path:
    """Where the project of an installed package lives: `~/.cache/superficial`, or below XDG_CACHE_HOME."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "superficial"


def lay_out(packed: Path, folder: Path) -> None:
    """Bring the files of `packed` into `folder`. What the user changed there stays, and is named."""
    record = folder / RECORD
    before = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    now = {str(file.relative_to(packed)): file for file in sorted(packed.rglob("*")) if file.is_file()}
    sums, kept = {name: file_sha256(file) for name, file in now.items()}, []
    for name, file in now.items():
        place = folder / name
        there = file_sha256(place) if place.is_file() else None
        if there == sums[name]:
            continue
        if there is None or there == before.get(name):
            with whole_file(place) as partial:
                partial.write_bytes(file.read_bytes())
        elif sums[name] != before.get(name):
            kept.append(name)
    if kept:
        say(f"note: {folder}: {', '.join(kept)} stays as you changed it; this version brings another one")
    if sums != before:
        with whole_file(record) as partial:
            partial.write_text(json.dumps(sums, indent=1), encoding="utf-8")


def absolute(word: str, folder: Path) -> str:
    """KEY=PATH with the whole path, where the key is of files and `folder` has that one; any other word as it is.

    A file that is to be written (out=FILE) is one of `folder`, too.
    """
    key, equals, value = word.partition("=")
    if not equals or not value or key.rsplit(".", 1)[-1] not in OF_FILES:
        return word
    path = folder / Path(value).expanduser()
    return f"{key}={path}" if key == "out" or path.exists() else word
