"""Locks on files that a process holds until it closes them, or dies; some file systems have none."""

import errno
import fcntl
from typing import IO, Any

# Lustre mounted without `flock` says ENOSYS, others one of the rest.
UNKNOWN = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK)


def lock_file(file: IO[Any] | int, *, wait: bool = True, shared: bool = False) -> bool | None:
    """Lock an open file: True, or False where another process holds it and there is no `wait`.

    None where the file system has no locks: then no process knows which others are at work.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
        return None
    return True
