"""Instructions from the Hugging Face hub: one file of a dataset at a named revision, its content checked."""

from collections.abc import Sequence
from pathlib import Path

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import digest
from superficial.config.schema import DatasetHub
from superficial.data.instruction import Instruction
from superficial.models.hub import snapshot


def fetch_dataset(hub: DatasetHub) -> Path:
    """The file, in the hub's cache; a UserError says why it cannot be had."""
    return snapshot(hub.repo, hub.revision, kind="dataset", patterns=[hub.file]).folder / hub.file


def check_content(records: Sequence[Instruction], hub: DatasetHub) -> None:
    """Refuse instructions that are not the ones the configuration means, whatever the revision calls itself."""
    found = content_digest(records)
    if hub.content is not None and found != hub.content:
        raise UserError(
            f"the instructions have the digest {found}, not {hub.content}",
            where=f"dataset {hub.repo}, revision {hub.revision}",
            remedy="the dataset was changed: give the revision that is meant, or set dataset.hub.content=null",
        )


def content_digest(records: Sequence[Instruction]) -> str:
    """sha256 over ids, texts and categories: the same for every file format that holds them."""
    return digest([[record.id, record.instruction, record.category] for record in records])
