"""What the files of a prompt say: the text that comes first, and the examples that are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from superficial.artifacts.errors import UserError
from superficial.config.schema import PromptConfig
from superficial.prompts.files import parts_of
from superficial.prompts.pool import ShownExample, chosen_examples, read_text
from superficial.prompts.published import published_text


@dataclass(frozen=True)
class Neighbour:
    """An example of the corpus and its cosine to the instruction."""

    id: str
    instruction: str
    response: str
    similarity: float


def neighbours_of(path: Path) -> dict[str, list[Neighbour]]:
    """Neighbours by id of the instruction, in the order of the prompt: the most similar last."""
    rows = pq.read_table(path, columns=["id", "neighbours"]).to_pylist()
    return {row["id"]: [Neighbour(**neighbour) for neighbour in row["neighbours"]] for row in rows}


class PromptContents:
    """The contents of the files of one prompt."""

    def __init__(self, prompt: PromptConfig, files: Sequence[Path] | Path = ()) -> None:
        """Read `files`, which are those of `prompt_files`, in its order."""
        given = [files] if isinstance(files, Path) else list(files)
        paths = self.paths = dict(zip(parts_of(prompt), given, strict=True))  # by part, for sidecars
        self.text = ""  # what comes first, as its file has it
        if "system" in paths:
            self.text = read_text(paths["system"], "prompt.system")
        if "published" in paths:
            self.text = published_text(paths["published"])
        self.examples: list[ShownExample] = []  # those that are the same for every instruction
        if prompt.examples is not None:
            self.examples = chosen_examples(prompt.examples, paths["examples"])
        self._neighbours = read_neighbours(paths["neighbours"]) if "neighbours" in paths else None

    def neighbours(self, example: str) -> list[ShownExample]:
        """What was looked up for one instruction, the nearest last; nothing where the prompt has no neighbours."""
        if self._neighbours is None:
            return []
        if example not in self._neighbours:
            raise UserError(
                "no neighbours were looked up for it",
                where=f"instruction {example}",
                remedy="retrieval reads the instructions of the dataset: put it there and run the workflow",
            )
        return self._neighbours[example]


def read_neighbours(path: Path) -> dict[str, list[ShownExample]]:
    """By id of the instruction, in the order of the prompt: the nearest last."""
    if not path.is_file():
        raise UserError("no neighbours yet", where=str(path), remedy=f"look them up: snakemake --cores 2 {path}")
    return {
        name: [ShownExample(one.id, one.instruction, one.response) for one in found]
        for name, found in neighbours_of(path).items()
    }
