"""The lock that Snakemake leaves in a working folder when it is killed: released when no process holds it any more."""

import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from superficial.artifacts.file_locks import lock_file
from superficial.artifacts.told import TOLD
from superficial.pipeline.job_errors import ERRORS


def release_stale_lock(state: Path) -> BinaryIO | None:
    """Announce this process in Snakemake's folder `state`; release a lock that is there while no other process is.

    The file that it returns says "alive" as long as it is open, hence keep it: a kill closes it, too. None where
    nothing can be written, as in a dry run in somebody else's folder. Snakemake itself records no owner of a lock, so
    that it can only ask its user.
    """
    try:
        state.mkdir(exist_ok=True)
        alive = open(state / "alive", "ab")  # noqa: SIM115 (open until the process ends)
    except OSError:
        return None
    locks = state / "locks"
    with suppress(OSError):
        # Another process may be alive and own the lock; on a file system without locks that is not known.
        if lock_file(alive, wait=False):
            ERRORS.delete_left(state)
            TOLD.delete_left(state)
            if locks.is_dir() and any(locks.iterdir()):
                shutil.rmtree(locks)
                print("The run before was killed: its lock is released, the work goes on.", file=sys.stderr)
    lock_file(alive, shared=True)
    return alive
