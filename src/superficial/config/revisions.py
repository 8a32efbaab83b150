"""The lock: which commit a revision of the hub stands for, pinned on first use in config/lock.yaml.

A locked commit takes the revision's place in the configuration, so it reaches the slices of the stages: it decides
their results. A commit that the user writes stays as it is, whatever the lock says.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import whole_file
from superficial.config.schema import DatasetHub, HubSource, LockFile, PairConfig
from superficial.config.validation import validate

Section = TypeVar("Section", bound=BaseModel)
NAME = "lock.yaml"
NEWEST = "main"  # what no revision means on the hub
HEADER = """\
# Commits of the hub, written by `make lock` and committed: what a revision of the configuration stands for. A line is
# never changed. Delete it and run `make lock` again to move to the newest commit.
"""
COMMIT = re.compile(r"[0-9a-f]{40}")


class RevisionLock:
    """The entries of one lock file; `path` need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = validate(LockFile, _read(path), where=str(path))

    def commit(self, source: HubSource | DatasetHub) -> str | None:
        """The commit that is locked for the revision of `source`; None where there is none."""
        return self._commits(source).get(source.revision or NEWEST)

    def pinned(self, section: Section) -> Section:
        """`section` of the configuration with the locked commit in every source of the hub within it."""
        if isinstance(section, HubSource | DatasetHub):
            parts: dict[str, Any] = {"revision": self.commit(section) or section.revision}
        else:
            parts = {name: self.pinned(value) for name, value in section if isinstance(value, BaseModel)}
        if isinstance(section, PairConfig):
            parts["stages"] = {name: self.pinned(model) for name, model in section.stages.items()}
        return section.model_copy(update=parts)

    def note(self, source: HubSource | DatasetHub) -> str | None:
        """One line where `source`, as `pinned` left it, is not what is locked; None where it is."""
        commits, revision = self._commits(source), source.revision or NEWEST
        if revision in commits.values():
            return None
        where = f"hub {hub_kind(source)} {source.repo}"
        if not COMMIT.fullmatch(revision):
            return f"{where}: {revision} is not locked and may move on | remedy: make lock, with the same ARGS"
        if not commits:
            return None  # the commit is written in the configuration: it needs no lock
        locked = " and ".join(f"{name} at {commit[:12]}" for name, commit in commits.items())
        return (
            f"{where}: runs at {revision[:12]}, and {self.path} has {locked} | remedy: drop the override, if not meant"
        )

    def add(self, source: HubSource | DatasetHub, commit: str) -> None:
        """Lock a revision that is not locked yet, and write the file."""
        assert self.commit(source) is None
        entries = self._file.model_dump()
        entries[f"{hub_kind(source)}s"].setdefault(source.repo, {})[source.revision or NEWEST] = commit
        self._file = validate(LockFile, entries, where=str(self.path))
        with whole_file(self.path) as partial:
            partial.write_text(HEADER + yaml.safe_dump(self._file.model_dump()), encoding="utf-8")

    def _commits(self, source: HubSource | DatasetHub) -> dict[str, str]:
        found = self._file.models if isinstance(source, HubSource) else self._file.datasets
        return found.get(source.repo, {})


def hub_kind(source: HubSource | DatasetHub) -> str:
    """What the hub calls it."""
    return "model" if isinstance(source, HubSource) else "dataset"


def hub_sources(section: BaseModel) -> Iterator[HubSource | DatasetHub]:
    """Every source of the hub within `section`."""
    if isinstance(section, HubSource | DatasetHub):
        yield section
    for _, value in section:
        if isinstance(value, BaseModel):
            yield from hub_sources(value)


def _read(path: Path) -> object:
    try:
        return (yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None) or {}
    except yaml.YAMLError as error:
        raise UserError("malformed YAML", where=str(path), remedy="mend it, or take it back from git") from error
