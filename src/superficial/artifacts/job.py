"""The job that this process does: what the workflow handed to it, for the sidecars of what it makes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """Files that are read, and the source files that the result depends on; both empty outside of the workflow."""

    inputs: Sequence[Path] = ()
    code: Sequence[Path] = ()


_CURRENT: ContextVar[Job] = ContextVar("job")


def current_job() -> Job:
    """The job that is being done."""
    return _CURRENT.get(Job())


@contextmanager
def doing(files: Mapping[str, Path | list[Path]], code: Sequence[str]) -> Iterator[None]:
    """Do the job that was given `files` by name: all but `out` are read; folders are where a stage finds them."""
    read = [
        path
        for name, given in files.items()
        if name != "out"
        for path in ([given] if isinstance(given, Path) else given)
        if path.is_file()
    ]
    token = _CURRENT.set(Job(read, [Path(path) for path in code]))
    try:
        yield
    finally:
        _CURRENT.reset(token)
