"""The compare stage: two score files become the token table, one row a response token."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from superficial.artifact import write_sidecar
from superficial.category import category
from superficial.contrast import Contrast, Side, Workspace, contrast
from superficial.errors import UserError
from superficial.head import Head
from superficial.models.load import load_model
from superficial.progress import progress
from superficial.schema import CompareConfig, RuntimeConfig
from superficial.score import read_states
from superficial.table import read_table, write_table
from superficial.tokens import TokenText


def run(
    cfg: CompareConfig,
    runtime: RuntimeConfig,
    *,
    base: Path,
    aligned: Path,
    responses: Path,
    base_score: Path,
    aligned_score: Path,
    out: Path,
) -> None:
    """Write the token table: ranks, probabilities, divergences, entropies, and the top candidates of both sides."""
    started = time.monotonic()
    answers = read_table(responses)
    tokens = torch.tensor(np.concatenate(answers["token_ids"].to_numpy()))
    sides = [
        _side(manifest, score, runtime.device) for manifest, score in ((base, base_score), (aligned, aligned_score))
    ]
    table = compare(sides[0], sides[1], tokens, cfg.top_k, runtime.position_chunk)
    lengths = [len(ids) for ids in answers["token_ids"]]
    table.insert(0, "example_id", np.repeat(answers["id"].to_numpy(), lengths))
    table.insert(1, "position", np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]))
    text = TokenText(aligned)
    table.insert(3, "token", text.show_all(table["token_id"]))
    for side in ("base", "aligned"):
        table[f"{side}_top_tokens"] = [text.show_all(ids) for ids in table[f"{side}_top_ids"]]
    write_table(table, out)
    inputs = {"base": base, "aligned": aligned, "responses": responses}
    inputs |= {"base_score": base_score, "aligned_score": aligned_score}
    facts = {"tokens": len(table), "tokens_per_second": round(len(table) / (time.monotonic() - started), 2)}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="compare", config=config, inputs=inputs, started=started, facts=facts)


def _side(manifest: Path, score: Path, device: str) -> Side:
    loaded = load_model(manifest, device)
    head = Head.of(loaded.model)  # the body is dropped on return
    return Side(head, read_states(score)[0])


def compare(base: Side, aligned: Side, tokens: torch.Tensor, top_k: int, chunk: int) -> pd.DataFrame:
    """Token-table columns for all N positions, `chunk` positions at a time; heads on their device, states anywhere."""
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
            both = [Side(side.head, side.states[part].to(device)) for side in (base, aligned)]
            parts.append(_columns(here, contrast(both[0], both[1], here, top_k, workspace)))
            bar.update(len(here))
    return pd.concat(parts, ignore_index=True)


def _columns(tokens: torch.Tensor, found: Contrast) -> pd.DataFrame:
    ranks = found.base.rank.cpu().numpy().astype(np.int32)
    columns: dict[str, Any] = {
        "token_id": tokens.cpu().numpy().astype(np.int32),
        "base_rank": ranks,
        "base_prob": found.base.prob.cpu().numpy(),
        "aligned_rank": found.aligned.rank.cpu().numpy().astype(np.int32),
        "aligned_prob": found.aligned.prob.cpu().numpy(),
        "kl_aligned_base": found.kl_aligned_base.cpu().numpy(),
        "kl_base_aligned": found.kl_base_aligned.cpu().numpy(),
        "js": found.js.cpu().numpy(),
        "base_entropy": found.base.entropy.cpu().numpy(),
        "aligned_entropy": found.aligned.entropy.cpu().numpy(),
        "category": category(ranks),
    }
    for name, side in (("base", found.base), ("aligned", found.aligned)):
        columns[f"{name}_top_ids"] = list(side.top_ids.cpu().numpy().astype(np.int32))
        columns[f"{name}_top_probs"] = list(side.top_probs.cpu().numpy())
    return pd.DataFrame(columns)
