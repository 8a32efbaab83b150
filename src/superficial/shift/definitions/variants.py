"""The definitions stage: every response token measured under each definition, one change at a time.

The published code is Re-Align/AlignTDS at commit 178a262, `src/compute_dist_diff.py`.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.progress import progress
from superficial.artifacts.state_file import StateFile
from superficial.artifacts.table import GROUP, write_parts
from superficial.config.schema import Nothing, RuntimeConfig
from superficial.inference.finish_reason import EOS
from superficial.inference.room import positions_at_a_time
from superficial.models.head import LMHead
from superficial.models.head_file import read_head
from superficial.shift.blocks import TOKENS
from superficial.shift.compare import compared, in_halves, same_vocabulary, token_positions
from superficial.shift.definitions.names import ARGMAX, CANDIDATES, HEADLINE, RESCORED, VARIANTS
from superficial.shift.distributions import HeadAndStates
from superficial.shift.pair.pairing import Pairing

MEASURED = ["base_rank", "base_prob", "kl_aligned_base"]

Floats = NDArray[np.float64]
Ids = NDArray[np.int32]
Work = Callable[..., pd.DataFrame]  # `compared` with all that does not change
Side = Callable[[int, int], HeadAndStates]  # of some positions, from the first up to the second one


def run(
    cfg: Nothing,
    runtime: RuntimeConfig,
    *,
    pair: Path,
    base: Path,
    aligned: Path,
    responses: Path,
    base_score: Path,
    two_bos: Path,
    aligned_context: Path,
    aligned_score: Path,
    out: Path,
) -> None:
    """Write a row for each variant and response token: variant, example_id, position, counted, and what is MEASURED."""
    started = time.monotonic()
    pairing = Pairing.read(pair)
    answers = pd.read_parquet(responses, columns=["id", "token_ids", "finish_reason"])
    tokens = pairing.places(answers)
    files = {HEADLINE: base_score, "two_bos": two_bos, "aligned_context": aligned_context}
    head = pairing.base_head(read_head(base, runtime.device))
    bases = {name: read_from(head, score) for name, score in files.items()}
    other = pairing.aligned_head(read_head(aligned, runtime.device))
    chunk = positions_at_a_time(runtime.position_chunk, other)
    found = variants(bases, read_from(other, aligned_score), tokens, end_of_turn(answers), chunk)
    write_parts(_parts(found, token_positions(answers)), out)
    inputs = {"pair": pair, "base": base, "aligned": aligned, "responses": responses, "aligned_score": aligned_score}
    inputs |= {f"base_score_{name}": file for name, file in files.items()}
    facts = {"tokens": len(tokens), "tokens_per_second": round(len(tokens) / (time.monotonic() - started), 2)}
    write_sidecar(out, stage="definitions", config={}, inputs=inputs, started=started, facts=facts)


def read_from(head: LMHead, score: Path) -> Side:
    """A side whose states lie in a score file."""
    file = StateFile(score)
    return lambda start, stop: HeadAndStates(head, file.read(start, stop))


def _parts(found: Mapping[str, pd.DataFrame], where: Mapping[str, NDArray[Any]]) -> Iterator[pd.DataFrame]:
    """The rows of all variants, with where each token stands, some at a time."""
    for name, table in found.items():
        for start in range(0, len(table), GROUP):
            rows = slice(start, start + GROUP)
            part = table[rows].assign(variant=name, **{column: values[rows] for column, values in where.items()})
            yield part[["variant", *where, "counted", *MEASURED]]


def end_of_turn(responses: pd.DataFrame) -> NDArray[np.bool_]:
    """Which response tokens (N,) are the end-of-turn token that closed a response."""
    lengths = responses["token_ids"].map(len).to_numpy()
    last = np.zeros(lengths.sum(), dtype=bool)
    last[np.cumsum(lengths) - 1] = responses["finish_reason"].to_numpy() == EOS
    return last


def variants(
    bases: Mapping[str, Side],
    aligned: Side,
    tokens: torch.Tensor,
    ended: NDArray[np.bool_],
    chunk: int,
) -> dict[str, pd.DataFrame]:
    """What is MEASURED at N positions, and whether the position is `counted`, by variant: some 90 bytes a position.

    `bases` holds the base under the contexts HEADLINE and RESCORED, `tokens` (N,) were emitted (numbered as
    `compare` does), `ended` (N,) tells the end-of-turn tokens. States are read for some thousand positions at a time,
    always whole chunks.
    """
    same_vocabulary(bases[HEADLINE](0, 0).head, aligned(0, 0).head)
    size = chunk * max(TOKENS // chunk, 1)
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in VARIANTS}
    likeliest = []
    with progress("comparing", len(tokens) * (1 + len(RESCORED)), "tokens") as bar:
        work: Work = partial(compared, chunk=chunk, bar=bar, halving=in_halves())
        for start in range(0, len(tokens), size):
            part = slice(start, min(start + size, len(tokens)))
            here = {name: side(part.start, part.stop) for name, side in bases.items()}
            tables, first = _block(here, aligned(part.start, part.stop), tokens[part], ended[part], work)
            likeliest.append(first)
            for name, table in tables.items():
                found[name].append(table)
        whole = {name: pd.concat(tables, ignore_index=True) for name, tables in found.items() if tables}
        first = np.concatenate(likeliest)
        rows = np.flatnonzero(first != tokens.numpy())
        bar.total += len(rows)
        columns = {name: whole[HEADLINE][name].to_numpy(copy=True) for name in ("base_rank", "base_prob")}
        for start in range(0, len(rows), chunk):
            some = rows[start : start + chunk]
            sides = [_at(side, some) for side in (bases[HEADLINE], aligned)]
            other = work(*sides, torch.from_numpy(first[some]).long(), 1)
            for name, values in columns.items():
                values[some] = other[name]
    # Base rank and probability of the aligned model's likeliest token: another one at few positions, if greedy.
    return {name: whole[HEADLINE].assign(**columns) if name == ARGMAX else whole[name] for name in VARIANTS}


def _block(
    bases: Mapping[str, HeadAndStates],
    aligned: HeadAndStates,
    tokens: torch.Tensor,
    ended: NDArray[np.bool_],
    work: Work,
) -> tuple[dict[str, pd.DataFrame], Ids]:
    """All variants but ARGMAX at some positions, and the aligned model's likeliest tokens there."""
    exact = work(bases[HEADLINE], aligned, tokens, min(CANDIDATES, aligned.head.vocabulary))
    base_ids, aligned_ids = (np.stack(exact[f"{side}_top_ids"].to_numpy()) for side in ("base", "aligned"))
    base_probs, aligned_probs = (_renormalised(exact[f"{side}_top_probs"]) for side in ("base", "aligned"))
    headline = exact[MEASURED].assign(counted=True)
    rank, prob = rank_and_prob_of_candidates(exact, base_ids, base_probs)
    found = {
        HEADLINE: headline,
        "top30_base": headline.assign(base_rank=rank, base_prob=prob.astype(np.float32)),
        "top30_kl": headline.assign(
            kl_aligned_base=kl_of_candidates(aligned_ids, aligned_probs, base_ids, base_probs).astype(np.float32)
        ),
        "no_end": headline.assign(counted=~ended),
    }
    for name in RESCORED:
        found[name] = work(bases[name], aligned, tokens, 1)[MEASURED].assign(counted=True)
    return found, aligned_ids[:, 0].copy()


def _at(side: Side, rows: NDArray[np.int64]) -> HeadAndStates:
    """A side at some positions, one by one."""
    found = [side(row, row + 1) for row in rows.tolist()]
    return HeadAndStates(found[0].head, torch.cat([one.states for one in found]))


def rank_and_prob_of_candidates(
    table: pd.DataFrame, base_ids: Ids, base_probs: Floats
) -> tuple[NDArray[np.int32], Floats]:
    """Rank and probability (N,) among the base's candidates (N, K) alone; outside them rank K + 1 and probability 0."""
    hit = base_ids == table["token_id"].to_numpy()[:, None]
    rank = np.where(hit.any(axis=1), table["base_rank"], base_ids.shape[1] + 1).astype(np.int32)
    return rank, (base_probs * hit).sum(axis=1)


def kl_of_candidates(aligned_ids: Ids, aligned_probs: Floats, base_ids: Ids, base_probs: Floats) -> Floats:
    """Sum of q log(q / p), nats (N,), over the tokens among the candidates (N, K) of both sides.

    q and p are renormalised each over its own K candidates. What only one side holds is left out, so that neither sums
    to 1 over the tokens that are compared: the value can be negative, and disjoint candidates give 0. The published
    code sums like this but in the other direction, KL(base || aligned), and over decoded texts in place of ids; here
    only the candidates differ from the headline.
    """
    total = np.zeros(len(aligned_ids))
    for ids, q in zip(aligned_ids.T, aligned_probs.T, strict=True):
        p = (base_probs * (base_ids == ids[:, None])).sum(axis=1)
        both = (p > 0) & (q > 0)
        total[both] += q[both] * np.log(q[both] / p[both])
    return total


def _renormalised(probs: "pd.Series[object]") -> Floats:
    """Probabilities of the candidates (N, K), each row divided by its sum."""
    found = np.stack(probs.to_numpy()).astype(np.float64)
    scaled: Floats = found / found.sum(axis=1, keepdims=True)
    return scaled
