"""A process that may die at any moment, and a disk that then forgets what nobody waited for.

What counts as kept is no more than POSIX promises: a file's content up to where it was flushed (`os.fsync`), and the
names in a folder as they were when that folder was flushed. Anything else may be there after the death, or not.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

WATCHED = ("replace", "rename", "link", "unlink", "remove", "mkdir")  # of os: the process may die before and after each


SAID = "said.txt"  # what the process prints
PROMISE, END = -1, -2  # in the journal, in the place of an inode


@dataclass
class Kept:
    """What is on the disk for certain: by inode the bytes of a file, and the names in a folder."""

    sizes: dict[int, int] = field(default_factory=dict)
    names: dict[int, dict[str, int]] = field(default_factory=dict)
    promised: list[tuple[str, str]] = field(default_factory=list)  # files and the keys that they were said to keep

    @classmethod
    def everything(cls, root: Path, attic: Path) -> "Kept":
        """All that is below `root` now; a further link in `attic` gives back a file that was lost by its name."""
        found = cls()
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
            found.names[folder.stat().st_ino] = names_in(folder, attic)
            found.sizes |= {file.stat().st_ino: file.stat().st_size for file in folder.iterdir() if file.is_file()}
        return found

    def learn(self, journal: Path) -> None:
        """Add what a process waited for."""
        for line in journal.read_text().split("\n")[:-1]:
            inode, kept = json.loads(line)
            if inode == PROMISE:
                self.promised.append((kept[0], kept[1]))
            elif isinstance(kept, dict):
                self.names[inode] = kept
            elif inode != END:
                self.sizes[inode] = kept


def names_in(folder: Path, attic: Path) -> dict[str, int]:
    """Names in a folder, with their inodes; each file gets a link in `attic`.

    A file that another thread or process takes away meanwhile does not count: nobody has promised to keep it.
    """
    found = {}
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            if entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileExistsError):
                    LINK(entry.path, attic / str(entry.inode()))
            found[entry.name] = entry.inode()
    return found


LINK: Callable[..., None] = os.link  # as it is before it is watched


def lose(root: Path, kept: Kept, attic: Path, chance: random.Random) -> None:
    """Forget below `root`, by chance, what is not `kept`."""
    known = kept.names.get(root.stat().st_ino, {})
    here = {entry.name: entry.inode() for entry in os.scandir(root)}
    for name in sorted(known.keys() | here.keys()):
        path = root / name
        if known.get(name) != here.get(name) and chance.random() < 0.5:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            if name in known and (attic / str(known[name])).is_file():
                os.link(attic / str(known[name]), path)
        if path.is_dir():
            lose(path, kept, attic, chance)
        elif path.is_file():
            size, sure = path.stat().st_size, kept.sizes.get(path.stat().st_ino, 0)
            if size > sure and chance.random() < 0.7:
                os.truncate(path, chance.randint(sure, size))


def live(folder: str, words: list[str], journal: str, attic: str, die_at: int) -> None:
    """Run a stage in this process, which keeps a journal of what it waits for and dies at its moment `die_at`."""
    os.chdir(folder)
    said = os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    import torch

    from superficial.__main__ import main

    torch.set_num_threads(1)
    file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    moments = watch(file, Path(attic), die_at)
    watch_stores(file)
    code = main(words)
    os.write(file, (json.dumps([END, next(moments)]) + "\n").encode())  # how many moments there are
    sys.exit(code)


def watch_stores(journal: int) -> None:
    """Let stores and ledgers tell `journal` what they have said to keep."""
    from superficial.artifacts.store import Store
    from superficial.inference.server.ledger import Ledger

    def promise(path: Path, keys: list[str]) -> None:
        for key in keys:
            os.write(journal, (json.dumps([PROMISE, [str(path.resolve()), key]]) + "\n").encode())

    put, answer = Store.put, Ledger.answer

    def kept_put(self: Store, values: Any) -> None:
        put(self, values)
        promise(self._path, list(values))

    def kept_answer(self: Ledger, key: str, *args: Any, **kwargs: Any) -> None:
        answer(self, key, *args, **kwargs)
        promise(self.path, [key])

    Store.put, Ledger.answer = kept_put, kept_answer  # type: ignore[method-assign]


def watch(journal: int, attic: Path, die_at: int) -> Any:
    """Let `os` tell `journal` what is flushed; returns the counter of moments."""
    moments = count(1)

    def moment() -> None:
        if next(moments) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            moment()
            done = real(*args, **kwargs)
            moment()
            return done

        return call

    def fsync(handle: Any) -> None:
        moment()
        number = handle if isinstance(handle, int) else handle.fileno()
        path, found = Path(os.readlink(f"/proc/self/fd/{number}")), os.fstat(number)
        kept = names_in(path, attic) if path.is_dir() else found.st_size
        os.write(journal, (json.dumps([found.st_ino, kept]) + "\n").encode())
        moment()

    def link(source: Any, *args: Any, **kwargs: Any) -> None:
        # A file of somebody else's was there before, whole; a truncation would reach it through the link.
        if not Path(source).resolve().is_relative_to(Path.cwd()):
            found = os.stat(source)
            os.write(journal, (json.dumps([found.st_ino, found.st_size]) + "\n").encode())
        LINK(source, *args, **kwargs)

    os.fsync, os.link = fsync, link
    for name in WATCHED:
        setattr(os, name, watched(getattr(os, name)))
    return moments
