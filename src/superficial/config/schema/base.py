"""What every section of the configuration is built from."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", description="letters, digits and _: it becomes a file name")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """A section of the configuration: no unknown keys, no change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OfDataset(Strict):
    """What is about instructions: their key, which is part of paths, and their title, which people read."""

    dataset: Name
    dataset_title: str = Field(default="", description="empty: they go by their name")

    @property
    def data(self) -> str:
        """The instructions as figures and tables name them."""
        return self.dataset_title or self.dataset


class Nothing(Strict):
    """For stages that read no configuration."""
