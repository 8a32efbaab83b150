"""The compare stage: two score files become the token table, one row for each response token."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import file_sha256, write_sidecar
from superficial.artifacts.progress import progress
from superficial.artifacts.table import read_table, write_table
from superficial.artifacts.token_rows import TokenRows, tensor_digest
from superficial.config.schema import CompareConfig, RuntimeConfig
from superficial.models.head_file import read_head
from superficial.models.manifest import model_key, read_manifest
from superficial.shift.category import category
from superficial.shift.distributions import Contrast, DistributionSummary, HeadAndStates, Workspace, contrast
from superficial.shift.greedy_check import check_greedy
from superficial.shift.pair.pairing import Pairing
from superficial.shift.score import read_states
from superficial.shift.token_text import TokenText


def run(
    cfg: CompareConfig,
    runtime: RuntimeConfig,
    *,
    pair: Path,
    base: Path,
    aligned: Path,
    responses: Path,
    base_score: Path,
    aligned_score: Path,
    out: Path,
) -> None:
    """Write the token table: ranks, probabilities, divergences, entropies, and the top candidates of both sides.

    `base_ties` and `aligned_ties` count the other tokens that are exactly as probable: all of them share the better
    rank. Ids are the aligned model's. Of a restricted pair all columns are over the shared tokens, but for
    `base_excluded` and `aligned_excluded`: the probability that a side's full vocabulary gives to other tokens.
    A UserError where the responses are not the aligned model's own choice (see `greedy_check`).
    """
    started = time.monotonic()
    pairing, answers = Pairing.read(pair), read_table(responses)
    tokens = pairing.places(answers)
    (left,) = base_sides(pairing, base, [base_score], runtime.device)
    right = aligned_side(pairing, aligned, aligned_score, runtime.device)
    about = [file_sha256(pair), *(model_key(read_manifest(side)) for side in (base, aligned)), cfg.top_k]
    kept = TokenRows(out.parents[3], about)
    lengths = answers["token_ids"].map(len).tolist()
    rows, compared = compare_new(left, right, tokens, lengths, kept, cfg.top_k, runtime.position_chunk)
    table = pairing.named(rows)
    for at, (name, values) in enumerate(token_positions(answers).items()):
        table.insert(at, name, values)
    text = TokenText(aligned)
    table.insert(3, "token", text.show_all(table["token_id"]))
    for side in ("base", "aligned"):
        table[f"{side}_top_tokens"] = [text.show_all(ids) for ids in table[f"{side}_top_ids"]]
    check_greedy(table, right.states.dtype, read_manifest(aligned)["name"], responses, cfg.least_first_choices)
    write_table(table, out)
    inputs = {"pair": pair, "base": base, "aligned": aligned, "responses": responses}
    inputs |= {"base_score": base_score, "aligned_score": aligned_score}
    facts: dict[str, Any] = {"device": str(left.head.weight.device), "dtype": str(left.states.dtype)}
    facts |= {"tokens": len(table), "compared_tokens": compared}
    facts |= {"aligned_rank_1_share": float((table["aligned_rank"] == 1).mean())}
    facts |= {"tokens_per_second": round(compared / (time.monotonic() - started), 2)}
    for side in ("base_excluded", "aligned_excluded"):
        facts |= {f"{side}_mean": float(table[side].mean()), f"{side}_max": float(table[side].max())}
    facts |= {f"{side}_tied_tokens": int((table[f"{side}_ties"] > 0).sum()) for side in ("base", "aligned")}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="compare", config=config, inputs=inputs, started=started, facts=facts)


def base_sides(pairing: Pairing, manifest: Path, scores: Iterable[Path], device: str) -> list[HeadAndStates]:
    """The base under each of its contexts, its head over the shared tokens."""
    head = pairing.base_head(read_head(manifest, device))
    return [HeadAndStates(head, read_states(score)[0]) for score in scores]


def aligned_side(pairing: Pairing, manifest: Path, score: Path, device: str) -> HeadAndStates:
    """The aligned model, its head over the shared tokens."""
    return HeadAndStates(pairing.aligned_head(read_head(manifest, device)), read_states(score)[0])


def token_positions(responses: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """Columns (N,) that say where each response token stands: example_id, position."""
    lengths = responses["token_ids"].map(len)
    return {
        "example_id": np.repeat(responses["id"].to_numpy(), lengths),
        "position": np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
    }


def compare_new(
    base: HeadAndStates,
    aligned: HeadAndStates,
    tokens: torch.Tensor,
    lengths: Sequence[int],
    kept: TokenRows,
    top_k: int,
    chunk: int,
) -> tuple[pd.DataFrame, int]:
    """As `compare`, for responses of these `lengths`; and how many tokens were compared, others being `kept`."""
    ends = np.cumsum(lengths).tolist()
    spans = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True) if length]
    names = [tensor_digest(base.states[span], aligned.states[span], tokens[span]) for span in spans]
    new = {name: span for name, span in zip(names, spans, strict=True) if name not in kept}
    if new:
        places = torch.cat([torch.arange(span.start, span.stop) for span in new.values()])
        sides = [HeadAndStates(side.head, side.states[places]) for side in (base, aligned)]
        rows = compare(sides[0], sides[1], tokens[places], top_k, chunk)
        kept.put(list(new), [span.stop - span.start for span in new.values()], rows)
    return kept.get(names), sum(span.stop - span.start for span in new.values())


def compare(base: HeadAndStates, aligned: HeadAndStates, tokens: torch.Tensor, top_k: int, chunk: int) -> pd.DataFrame:
    """Token-table columns for all N positions, `chunk` positions at a time; heads on their device, states anywhere.

    Both heads score the same S tokens in the same order; `tokens` (N,) and all ids that come back count in that order.
    """
    if base.head.vocabulary != aligned.head.vocabulary:
        raise UserError(
            f"the models score {base.head.vocabulary} and {aligned.head.vocabulary} tokens",
            where="pair",
            remedy="compare models that share a vocabulary",
        )
    device = base.head.weight.device
    workspace = Workspace(min(chunk, len(tokens)), base.head.vocabulary, device)
    parts = []
    with torch.inference_mode(), progress("comparing", len(tokens), "tokens") as bar:
        for start in range(0, len(tokens), chunk):
            part = slice(start, start + chunk)
            here = tokens[part].to(device)
            both = [HeadAndStates(side.head, side.states[part].to(device)) for side in (base, aligned)]
            found = contrast(both[0], both[1], here, top_k, workspace)
            excluded = [excluded_probability(both[0], found.base), excluded_probability(both[1], found.aligned)]
            parts.append(_columns(here, found, excluded))
            bar.update(len(here))
    return pd.concat(parts, ignore_index=True)


def excluded_probability(side: HeadAndStates, view: DistributionSummary) -> torch.Tensor:
    """Probability (N,) that the whole head gives to the tokens which a cut left out; the error is that of softmax."""
    head, likeliest = side.head, view.top_ids[:, 0]
    if head.outside is None:
        return torch.zeros_like(view.prob)
    # The likeliest token's logit and probability give back the log-sum of the shared tokens.
    inside = head.logit(side.states, likeliest).double() - view.top_probs[:, 0].double().log()
    return torch.sigmoid(head.outside.logits(side.states).double().logsumexp(dim=1) - inside).float()


def _columns(tokens: torch.Tensor, found: Contrast, excluded: Sequence[torch.Tensor]) -> pd.DataFrame:
    ranks = found.base.rank.cpu().numpy().astype(np.int32)
    columns: dict[str, Any] = {
        "token_id": tokens.cpu().numpy().astype(np.int32),
        "base_rank": ranks,
        "base_ties": found.base.ties.cpu().numpy().astype(np.int32),
        "base_prob": found.base.prob.cpu().numpy(),
        "aligned_rank": found.aligned.rank.cpu().numpy().astype(np.int32),
        "aligned_ties": found.aligned.ties.cpu().numpy().astype(np.int32),
        "aligned_prob": found.aligned.prob.cpu().numpy(),
        "kl_aligned_base": found.kl_aligned_base.cpu().numpy(),
        "kl_base_aligned": found.kl_base_aligned.cpu().numpy(),
        "js": found.js.cpu().numpy(),
        "base_entropy": found.base.entropy.cpu().numpy(),
        "aligned_entropy": found.aligned.entropy.cpu().numpy(),
        "base_excluded": excluded[0].cpu().numpy(),
        "aligned_excluded": excluded[1].cpu().numpy(),
        "category": category(ranks),
    }
    for name, side in (("base", found.base), ("aligned", found.aligned)):
        columns[f"{name}_top_ids"] = list(side.top_ids.cpu().numpy().astype(np.int32))
        columns[f"{name}_top_probs"] = list(side.top_probs.cpu().numpy())
    return pd.DataFrame(columns)
