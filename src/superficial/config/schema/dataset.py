"""Instructions."""

from pydantic import Field, model_validator

from superficial.config.schema.base import Name, Sha256, Strict
from superficial.config.schema.plan import DatasetSize


class DatasetHub(Strict):
    """One file of a dataset on the Hugging Face hub."""

    repo: str = Field(description="ORGANISATION/NAME")
    revision: str = Field(description="commit, tag or reference")
    file: str = Field(description="its path in the repository; JSONL, JSON, CSV or Parquet")
    content: Sha256 | None = Field(
        default=None, description="of ids, texts and categories: pins the instructions whatever the revision's name"
    )


class DatasetConfig(Strict):
    """Instructions: a file of them, or one on the hub."""

    name: Name
    title: str = Field(default="", exclude=True, description="as figures print it; empty: they go by their name")
    path: str | None = Field(
        default=None,
        description="JSONL, JSON, CSV, TSV (also compressed) or Parquet with instruction and, where known, id, "
        "category, subset, tasks, topics, turns; or chat logs; null: from the hub",
    )
    hub: DatasetHub | None = None
    published: str | None = Field(default=None, description="the file of published_dir that holds them, too")
    size: DatasetSize | None = Field(default=None, exclude=True, description="for planning, where the file is not here")
    limit: int | None = Field(default=None, ge=1, description="only this many instructions, the first ones")

    @model_validator(mode="after")
    def _comes_from_somewhere(self) -> "DatasetConfig":
        if self.path is None and self.hub is None:
            raise ValueError("path or hub must say where the instructions are")
        return self
