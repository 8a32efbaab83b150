"""The definitions stage: every response token measured under each definition, one change at a time.

The published code is Re-Align/AlignTDS at commit 178a262, `src/compute_dist_diff.py`.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.state_file import StateFile
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import Nothing, RuntimeConfig
from superficial.inference.finish_reason import EOS
from superficial.inference.room import positions_at_a_time
from superficial.models.head_file import read_head
from superficial.shift.compare import compare, token_positions
from superficial.shift.definitions.names import CANDIDATES, HEADLINE, RESCORED
from superficial.shift.distributions import HeadAndStates
from superficial.shift.pair.pairing import Pairing

MEASURED = ["base_rank", "base_prob", "kl_aligned_base"]

Floats = NDArray[np.float64]
Ids = NDArray[np.int32]


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
    pairing, answers = Pairing.read(pair), read_table(responses)
    tokens = pairing.places(answers)
    files = {HEADLINE: base_score, "two_bos": two_bos, "aligned_context": aligned_context}
    head = pairing.base_head(read_head(base, runtime.device))
    bases = {name: HeadAndStates(head, StateFile(score).read()) for name, score in files.items()}
    other = HeadAndStates(pairing.aligned_head(read_head(aligned, runtime.device)), StateFile(aligned_score).read())
    chunk = positions_at_a_time(runtime.position_chunk, other.head)
    found = variants(bases, other, tokens, end_of_turn(answers), chunk)
    where = token_positions(answers)
    table = pd.concat([part.assign(variant=name, **where) for name, part in found.items()], ignore_index=True)
    write_table(table[["variant", *where, "counted", *MEASURED]], out)
    inputs = {"pair": pair, "base": base, "aligned": aligned, "responses": responses, "aligned_score": aligned_score}
    inputs |= {f"base_score_{name}": file for name, file in files.items()}
    facts = {"tokens": len(tokens), "tokens_per_second": round(len(tokens) / (time.monotonic() - started), 2)}
    write_sidecar(out, stage="definitions", config={}, inputs=inputs, started=started, facts=facts)


def end_of_turn(responses: pd.DataFrame) -> NDArray[np.bool_]:
    """Which response tokens (N,) are the end-of-turn token that closed a response."""
    lengths = responses["token_ids"].map(len).to_numpy()
    last = np.zeros(lengths.sum(), dtype=bool)
    last[np.cumsum(lengths) - 1] = responses["finish_reason"].to_numpy() == EOS
    return last


def variants(
    bases: Mapping[str, HeadAndStates],
    aligned: HeadAndStates,
    tokens: torch.Tensor,
    ended: NDArray[np.bool_],
    chunk: int,
) -> dict[str, pd.DataFrame]:
    """What is MEASURED at N positions, and whether the position is `counted`, by variant.

    `bases` holds the base under the contexts HEADLINE and RESCORED, `tokens` (N,) were emitted (numbered as
    `compare` does), `ended` (N,) tells the end-of-turn tokens.
    """
    exact = compare(bases[HEADLINE], aligned, tokens, min(CANDIDATES, aligned.head.vocabulary), chunk)
    base_ids, aligned_ids = (np.stack(exact[f"{side}_top_ids"].to_numpy()) for side in ("base", "aligned"))
    base_probs, aligned_probs = (_renormalised(exact[f"{side}_top_probs"]) for side in ("base", "aligned"))
    headline = exact[MEASURED].assign(counted=True)
    rank, prob = rank_and_prob_of_candidates(exact, base_ids, base_probs)
    found = {
        HEADLINE: headline,
        "aligned_argmax": _argmax(bases[HEADLINE], aligned, tokens, headline, aligned_ids[:, 0], chunk),
        "top30_base": headline.assign(base_rank=rank, base_prob=prob.astype(np.float32)),
        "top30_kl": headline.assign(
            kl_aligned_base=kl_of_candidates(aligned_ids, aligned_probs, base_ids, base_probs).astype(np.float32)
        ),
        "no_end": headline.assign(counted=~ended),
    }
    for name in RESCORED:
        found[name] = compare(bases[name], aligned, tokens, 1, chunk)[MEASURED].assign(counted=True)
    return found


def _argmax(
    base: HeadAndStates,
    aligned: HeadAndStates,
    tokens: torch.Tensor,
    headline: pd.DataFrame,
    likeliest: Ids,
    chunk: int,
) -> pd.DataFrame:
    """Base rank and probability of the aligned model's likeliest token: another one at few positions, if greedy."""
    rows = np.flatnonzero(likeliest != tokens.numpy())
    found = headline.copy()
    if len(rows):
        some = [HeadAndStates(side.head, side.states[torch.from_numpy(rows)]) for side in (base, aligned)]
        other = compare(some[0], some[1], torch.from_numpy(likeliest[rows]).long(), 1, chunk)
        for column in ("base_rank", "base_prob"):
            values = found[column].to_numpy(copy=True)
            values[rows] = other[column]
            found[column] = values
    return found


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
