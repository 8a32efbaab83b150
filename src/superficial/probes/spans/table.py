"""The table of spans: one row for each span, in the order of the text."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.probes.spans.reading import PairedReading, Segment, segments
from superficial.probes.spans.token_scores import TokenScores

ROWS = 4096  # of a part of the table
TEXT, END, LEFT_OUT = "text", "end of turn", "left out"
TYPES = {
    "example_id": "object", "part": "object", "span": "int32", "start": "int32", "end": "int32", "text": "object",
    "base_tokens": "int32", "aligned_tokens": "int32", "base_logprob": "float32", "aligned_logprob": "float32",
    "base_rank": "Int32", "aligned_rank": "Int32", "one_token": "bool", "valid": "bool",
}  # fmt: skip


def spans(
    found: Iterable[PairedReading], base: TokenScores, aligned: TokenScores, partners: dict[int, int]
) -> Iterator[pd.DataFrame]:
    """One row for each span, some responses at a time; columns are those of TYPES and the ids of both sides.

    `base` and `aligned` are views of all tokens that are compared, reading after reading; `partners` gives the aligned
    model's token for each of the base's that it has, too. `start` and `end` are bytes from the start of the response;
    log-probabilities are sums over the tokens of a span, in nats.

    `one_token`: the span is the same token to both models. `valid`: besides, on both sides every token that is ranked
    above it is one that the other model has, so that the rank over the whole vocabulary is the rank over what both can
    say. Ranks are given for valid spans alone. `part`: an end of turn is a span of no bytes; what is left out of a
    response is one row behind the others, without log-probabilities.
    """
    rows: list[dict[str, Any]] = []
    at, other = 0, 0
    columns = [*TYPES, "base_ids", "aligned_ids"]
    for one in found:
        base_at, aligned_at = slice(at, at + len(one.base_ids)), slice(other, other + one.used)
        rows += _of_response(one, _part(base, base_at), _part(aligned, aligned_at), partners)
        at, other = base_at.stop, aligned_at.stop
        if len(rows) >= ROWS:
            yield pd.DataFrame(rows, columns=columns).astype(TYPES)
            rows = []
    if rows:
        yield pd.DataFrame(rows, columns=columns).astype(TYPES)


def _of_response(
    one: PairedReading, base: TokenScores, aligned: TokenScores, partners: dict[int, int]
) -> Iterator[dict[str, Any]]:
    text, row = b"".join(one.aligned_bytes), {"example_id": one.example}
    cuts = segments(one.base_bytes, one.aligned_bytes)
    if one.ended:
        left, right = len(one.base_bytes), len(one.aligned_bytes)
        cuts.append(Segment(len(text), len(text), slice(left, left + 1), slice(right, right + 1)))
    for number, cut in enumerate(cuts):
        part = TEXT if cut.stop > cut.start else END
        words = text[cut.start : cut.stop].decode(errors="backslashreplace")  # it may be a part of a character
        place = {"part": part, "span": number, "start": cut.start, "end": cut.stop, "text": words}
        yield row | place | _measures(one, cut, base, aligned, partners)
    if rest := one.aligned_ids[one.used :]:
        place = {"part": LEFT_OUT, "span": len(cuts), "start": len(text), "end": len(text), "text": ""}
        nothing = {"base_tokens": 0, "aligned_tokens": len(rest), "base_ids": np.array([], np.int32)}
        nothing |= {"aligned_ids": np.array(rest, np.int32), "one_token": False, "valid": False}
        yield row | place | nothing


def _measures(
    one: PairedReading, cut: Segment, base: TokenScores, aligned: TokenScores, partners: dict[int, int]
) -> dict[str, Any]:
    left, right = one.base_ids[cut.base], one.aligned_ids[cut.aligned]
    same = len(left) == len(right) == 1 and partners.get(left[0]) == right[0]
    first, second = cut.base.start, cut.aligned.start
    valid = same and not base.foreign[first] and not aligned.foreign[second]
    return {
        "base_tokens": len(left),
        "aligned_tokens": len(right),
        "base_logprob": base.logprob[cut.base].sum(),
        "aligned_logprob": aligned.logprob[cut.aligned].sum(),
        "base_rank": base.rank[first] if valid else None,
        "aligned_rank": aligned.rank[second] if valid else None,
        "one_token": same,
        "valid": valid,
        "base_ids": np.array(left, np.int32),
        "aligned_ids": np.array(right, np.int32),
    }


def _part(side: TokenScores, rows: slice) -> TokenScores:
    def cut(values: NDArray[Any]) -> NDArray[Any]:
        return values[rows]

    return TokenScores(cut(side.logprob), cut(side.rank), cut(side.foreign))
