"""What a page of the browser knows: columns of short arrays, and every token text once."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Protocol

import numpy as np

from superficial.shift.category import CATEGORIES
from superficial.views.judgment import ShownJudgment

DIGITS = 5  # significant digits of an emitted token's probability, of divergences and entropies
CANDIDATE_DIGITS = 3  # of a candidate's probability: as many as are shown, because these are most of a page
TENS = 10.0 ** np.arange(23)  # those that are exact: a whole number divided by one is the nearest float of its decimals
NEAR_HALF = 1e-6  # of the last digit: multiplying may have moved so small a distance across the middle
MEASURES = {"prob": "{}_prob", "entropy": "{}_entropy"}  # of a view, with the columns of either side
UNSHIFTED, SHIFTED = "unshifted", "shifted"


@dataclass(frozen=True)
class FurtherContext:
    """The base in a further context: what it saw before the response, and the token table of that context."""

    prompt: str
    rows: Mapping[str, list[Any]]  # columns of the base's side, T entries each


@dataclass(frozen=True)
class BrowserExample:
    """One response with everything that its page shows."""

    id: str
    instruction: str
    category: str
    subset: str
    tasks: Sequence[str]
    topics: Sequence[str]
    text: str  # the response, without any thinking
    finish_reason: str
    contexts: Mapping[str, str]  # base, aligned: what each model saw before the response
    rows: Mapping[str, list[Any]]  # columns of the token table of the base's own context, T entries each
    further: Sequence[FurtherContext] = ()  # in the order of the configuration
    judgments: Mapping[str, ShownJudgment] = field(default_factory=dict)  # of the response by aspect; none: not judged
    thinking: int = 0  # so many of the first tokens stand before the answer


class ExampleSource(Protocol):
    """The examples of a pair, and their ids in the same order."""

    @property
    def ids(self) -> Sequence[str]:
        """Of all examples, each once."""

    def __iter__(self) -> Iterator[BrowserExample]: ...


class TokenTexts:
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
        known, place = self._places, self.place
        pairs = zip(tokens, texts, strict=True)
        return [known[token] if token in known else place(token, text) for token, text in pairs]


def moved(before: Sequence[str], after: Sequence[str]) -> list[int]:
    """Tokens that a context recovers (shifted before, unshifted after), and that it loses (unshifted only before).

    Categories of the same T tokens in the base's own context and in that one; as in probes/contexts/recovery.py.

    >>> moved(["shifted", "shifted", "marginal", "unshifted"], ["unshifted", "marginal", "unshifted", "marginal"])
    [1, 1]
    """
    pairs = list(zip(before, after, strict=True))
    recovered = sum(one == SHIFTED and other == UNSHIFTED for one, other in pairs)
    return [recovered, sum(one == UNSHIFTED and other != UNSHIFTED for one, other in pairs)]


def describe(example: BrowserExample) -> dict[str, Any]:
    """What the index and the example's own page both say about it."""
    categories = example.rows["category"]
    return {
        "id": example.id,
        "instruction": example.instruction,
        "category": example.category,
        "subset": example.subset,
        "tasks": list(example.tasks),
        "topics": list(example.topics),
        "tokens": len(categories),
        "counts": [categories.count(name) for name in CATEGORIES],
        "moved": [moved(categories, one.rows["category"]) for one in example.further],
    }


def index_entry(example: BrowserExample) -> dict[str, Any]:
    """The example as the index lists it; the response is there to be searched."""
    divergence = example.rows["kl_aligned_base"]
    return describe(example) | {"text": example.text, "kl": short(math.fsum(divergence) / len(divergence))}


def page_data(example: BrowserExample) -> dict[str, Any]:
    """The example as its own page shows it; views and prompts: the base by context, its own first, then the aligned."""
    rows, vocabulary = example.rows, TokenTexts()
    token = vocabulary.places(rows["token_id"], rows["token"])
    based = [rows, *(one.rows for one in example.further)]
    return (
        describe(example)
        | {
            "finish_reason": example.finish_reason,
            "prompts": [
                example.contexts["base"],
                *(one.prompt for one in example.further),
                example.contexts["aligned"],
            ],
            "categories": list(CATEGORIES),
            "token": token,
            "kl_base_aligned": shortened(rows["kl_base_aligned"]),
            "js": shortened(rows["js"]),
            "views": [*(_base(one, vocabulary) for one in based), _view(rows, "aligned", vocabulary)],
            "judgments": [
                {
                    "aspect": aspect,
                    "score": None if math.isnan(said.score) else said.shown,
                    "reason": said.reason,
                    "unscored": said.unscored,
                }
                for aspect, said in example.judgments.items()
            ],
            "ids": vocabulary.ids,
            "texts": vocabulary.texts,
        }
        | ({"thinking": example.thinking} if example.thinking else {})
    )


def _base(rows: Mapping[str, list[Any]], vocabulary: TokenTexts) -> dict[str, Any]:
    """The base in one context: what it made of every token, and how far that is from the aligned model."""
    return _view(rows, "base", vocabulary) | {
        "kinds": [CATEGORIES.index(name) for name in rows["category"]],
        "kl": shortened(rows["kl_aligned_base"]),
    }


def _view(rows: Mapping[str, list[Any]], side: str, vocabulary: TokenTexts) -> dict[str, Any]:
    """One distribution at every token: the emitted token in it, and its first candidates."""
    names = zip(rows[f"{side}_top_ids"], rows[f"{side}_top_tokens"], strict=True)
    return {name: shortened(rows[column.format(side)]) for name, column in MEASURES.items()} | {
        "rank": rows[f"{side}_rank"],
        "top": [vocabulary.places(ids, texts) for ids, texts in names],
        "top_prob": _shortened_lists(rows[f"{side}_top_probs"], CANDIDATE_DIGITS),
    }


def _shortened_lists(values: Sequence[Sequence[float]], digits: int) -> list[list[float | None]]:
    """As `shortened`, for lists of values, all at once: these are most of a page."""
    flat = iter(shortened(list(chain.from_iterable(values)), digits))
    return [list(islice(flat, len(some))) for some in values]


def shortened(values: Sequence[float], digits: int = DIGITS) -> list[float | None]:
    """Every value by `short`, in a fifth of the time."""
    numbers = np.asarray(values, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(numbers)))
    known = (places >= 0) & (places < len(TENS))  # neither zero nor infinite, nor no number
    tens = TENS[np.where(known, places, 0).astype(np.int64)]
    shifted = np.where(known, numbers, 0) * tens
    whole = np.rint(shifted)
    known &= np.abs(np.abs(shifted - whole) - 0.5) > NEAR_HALF
    found: list[float | None] = (whole / tens).tolist()
    for place in np.flatnonzero(~known).tolist():
        found[place] = short(values[place], digits)
    return found


def short(value: float, digits: int = DIGITS) -> float | None:
    """`value` with this many significant digits; None, which JSON can hold, if it is not finite.

    >>> short(0.017432836815714836), short(0.017432836815714836, 3)
    (0.017433, 0.0174)
    """
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
