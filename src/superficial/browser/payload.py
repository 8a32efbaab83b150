"""What a page of the browser knows: columns of short arrays, and every token text once."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from superficial.category import CATEGORIES

DIGITS = 5  # significant digits of probabilities, divergences and entropies
MEASURES = (
    "base_prob",
    "aligned_prob",
    "kl_aligned_base",
    "kl_base_aligned",
    "js",
    "base_entropy",
    "aligned_entropy",
)


@dataclass(frozen=True)
class Example:
    """One response with everything that its page shows."""

    id: str
    instruction: str
    category: str
    subset: str
    tasks: Sequence[str]
    topics: Sequence[str]
    text: str  # the response
    finish_reason: str
    contexts: Mapping[str, str]  # base, aligned: what each model saw before the response
    rows: Mapping[str, list[Any]]  # columns of the token table, T entries each


class Examples(Protocol):
    """The examples of a pair, and their ids in the same order."""

    @property
    def ids(self) -> Sequence[str]:
        """Of all examples, none twice."""

    def __iter__(self) -> Iterator[Example]: ...


class Vocabulary:
    """Token ids and texts in order of first use; arrays refer to them by place. Two ids may read alike."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.texts: list[str] = []
        self._places: dict[int, int] = {}

    def place(self, token: int, text: str) -> int:
        """Where `token` stands; it is added if it is new."""
        found = self._places.setdefault(token, len(self.ids))
        if found == len(self.ids):
            self.ids.append(token)
            self.texts.append(text)
        return found

    def places(self, tokens: Iterable[int], texts: Iterable[str]) -> list[int]:
        """Where each token stands."""
        return [self.place(token, text) for token, text in zip(tokens, texts, strict=True)]


def describe(example: Example) -> dict[str, Any]:
    """What the index and the example's own page both say about it."""
    return {
        "id": example.id,
        "instruction": example.instruction,
        "category": example.category,
        "subset": example.subset,
        "tasks": list(example.tasks),
        "topics": list(example.topics),
        "tokens": len(example.rows["token_id"]),
        "counts": [example.rows["category"].count(name) for name in CATEGORIES],
    }


def index_entry(example: Example) -> dict[str, Any]:
    """The example as the index lists it; the response is there to be searched."""
    divergence = example.rows["kl_aligned_base"]
    return describe(example) | {"text": example.text, "kl": short(math.fsum(divergence) / len(divergence))}


def page_data(example: Example) -> dict[str, Any]:
    """The example as its own page shows it."""
    rows, vocabulary = example.rows, Vocabulary()
    data: dict[str, Any] = describe(example) | {
        "finish_reason": example.finish_reason,
        "contexts": dict(example.contexts),
        "categories": list(CATEGORIES),
        "kinds": [CATEGORIES.index(name) for name in rows["category"]],
        "token": vocabulary.places(rows["token_id"], rows["token"]),
        "base_rank": rows["base_rank"],
        "aligned_rank": rows["aligned_rank"],
    }
    for name in MEASURES:
        data[name] = [short(value) for value in rows[name]]
    for side in ("base", "aligned"):
        names = zip(rows[f"{side}_top_ids"], rows[f"{side}_top_tokens"], strict=True)
        data[f"{side}_top"] = [vocabulary.places(ids, texts) for ids, texts in names]
        data[f"{side}_top_prob"] = [[short(value) for value in probs] for probs in rows[f"{side}_top_probs"]]
    return data | {"ids": vocabulary.ids, "texts": vocabulary.texts}


def short(value: float) -> float | None:
    """`value` to DIGITS significant digits; None, which JSON can hold, if it is not finite.

    >>> short(0.017432836815714836)
    0.017433
    """
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
