"""Instructions."""

from pydantic import Field

from superficial.schema.base import Name, Strict


class DatasetConfig(Strict):
    """Instructions: a JSONL file with id, instruction, category, subset, tasks and topics."""

    name: Name
    path: str
    limit: int | None = Field(default=None, ge=1, description="only the first so many instructions")
