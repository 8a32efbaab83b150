"""Questions as instructions of a dataset of their own, which is named by what they say."""

import json
from collections.abc import Sequence
from pathlib import Path

from superficial.artifacts.files import digest, whole_file

PREFIX = "ask_"


def dataset_of(questions: Sequence[str]) -> str:
    """The name of the dataset that holds these questions; other questions have another one.

    >>> dataset_of(["Why?"]) == dataset_of(["Why?"]) != dataset_of(["Who?"])
    True
    """
    return f"{PREFIX}{digest(list(questions))[:10]}"


def write_questions(questions: Sequence[str], folder: Path) -> Path:
    """The instructions as a file in `folder`; one that is there stays, so that nothing is made again."""
    path = folder / f"{dataset_of(questions)}.jsonl"
    if not path.is_file():
        rows = [{"id": str(at), "instruction": text} for at, text in enumerate(questions, start=1)]
        with whole_file(path) as partial:
            partial.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
