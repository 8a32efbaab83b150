"""Revisions of the hub, pinned."""

from pydantic import Field

from superficial.config.schema.base import Strict
from superficial.config.schema.model import Commit, Repository


class LockFile(Strict):
    """config/lock.yaml: by repository, the commit that each revision named in the configuration stands for."""

    models: dict[Repository, dict[str, Commit]] = Field(default={})
    datasets: dict[Repository, dict[str, Commit]] = Field(default={})
