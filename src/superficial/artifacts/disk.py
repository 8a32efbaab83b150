"""What the system says when something cannot be written, in one line for its user; and what outlives a power cut."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from superficial.artifacts.errors import UserError

AGAIN = "then run the same command again"
SPACE = ("the disk is full", f"free space there, {AGAIN}")
RIGHTS = ("permission denied", f"change the permissions, or work in a folder of your own, {AGAIN}")
PLACE = ("a file or link stands where a folder belongs", f"move it away, {AGAIN}")
# Errors that another try meets again, so that only a person can help.
LASTING = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EROFS: ("the file system is read-only", f"work in a folder that can be written, {AGAIN}"),
    errno.EACCES: RIGHTS,
    errno.EPERM: RIGHTS,
    errno.EFBIG: ("the file would be larger than this system allows", f"raise the limit (ulimit -f), {AGAIN}"),
    errno.ENAMETOOLONG: ("the name is too long for this file system", f"choose shorter names, {AGAIN}"),
    errno.ENOTDIR: PLACE,
    errno.EEXIST: PLACE,
    errno.EISDIR: ("a folder stands where a file belongs", f"name another file, {AGAIN}"),
    errno.EBUSY: ("what stands there cannot be replaced", f"name another file, {AGAIN}"),  # a mount, or `.`
}
# Libraries that are not written in Python raise exceptions of their own, with the number in the text.
NUMBER = re.compile(r"\(os error (\d+)\)|\[[Ee]rrno (\d+)\]")

_LOOKED_AFTER: set[Path] = set()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an error that lasts (LASTING) while writing `path` into a UserError; other errors come out as they are."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        told = NUMBER.search(str(error))
        number = error.errno if isinstance(error, OSError) and error.errno else told and int(told[1] or told[2])
        if number not in LASTING:
            raise
        what, remedy = LASTING[number]
        raise UserError(what, where=_place(error, path), remedy=remedy) from error


def _place(error: Exception, path: Path) -> str:
    """`path`, unless the error names a file that lies elsewhere: one that was read for it."""
    # Where a copy fails, the first name is that of the source.
    named = (error.filename2 or error.filename) if isinstance(error, OSError) else None
    elsewhere = isinstance(named, str) and not Path(named).absolute().is_relative_to(path.parent.absolute())
    return str(named) if elsewhere and not path.absolute().is_relative_to(Path(str(named)).absolute()) else str(path)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, whose names are on the disk when this returns.

    Whoever made them may not have waited for that; so each is looked after once by every process.
    """
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        for one in (path, *path.parents):
            if one in _LOOKED_AFTER:
                break
            with suppress(PermissionError):  # a folder of somebody else's, which was there before
                flush(one.parent)
            _LOOKED_AFTER.add(one)


def flush(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
