"""The compare stage: two score files become the token table, one row for each response token."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import file_sha256, write_sidecar
from superficial.artifacts.progress import progress
from superficial.artifacts.state_file import StateFile
from superficial.artifacts.table import write_parts
from superficial.artifacts.token_rows import TokenRows, tensor_digest
from superficial.config.schema import CompareConfig, RuntimeConfig
from superficial.inference.room import Halving, positions_at_a_time
from superficial.models.head import LMHead
from superficial.models.head_file import read_head
from superficial.models.manifest import model_key, read_manifest
from superficial.shift.blocks import TOKENS, blocks
from superficial.shift.category import category
from superficial.shift.distributions import Contrast, DistributionSummary, HeadAndStates, Workspaces, contrast
from superficial.shift.greedy_check import Chain
from superficial.shift.pair.pairing import Pairing
from superficial.shift.token_text import TokenText
from superficial.shift.totals import Totals


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
    pairing = Pairing.read(pair)
    heads = pairing.base_head(read_head(base, runtime.device)), pairing.aligned_head(read_head(aligned, runtime.device))
    states = StateFile(base_score), StateFile(aligned_score)
    about = [file_sha256(pair), *(model_key(read_manifest(side)) for side in (base, aligned)), cfg.top_k]
    kept = TokenRows(out.parents[3], about)
    chunk = positions_at_a_time(runtime.position_chunk, heads[1])
    names, new = compare_new(heads, states, _tokens(pairing, responses), kept, top_k=cfg.top_k, chunk=chunk)
    chain = Chain(states[1].dtype, read_manifest(aligned)["name"], responses, cfg.least_first_choices)
    totals = Totals()

    def parts() -> Iterator[pd.DataFrame]:
        text, rest = TokenText(aligned), iter(names)
        for block in blocks(responses):
            rows = kept.get(islice(rest, len(block)))
            part = described(pairing.named(rows), block, text)
            chain.see(part)
            totals.see(part)
            yield part
        chain.check()

    write_parts(parts(), out)
    inputs = {"pair": pair, "base": base, "aligned": aligned, "responses": responses}
    inputs |= {"base_score": base_score, "aligned_score": aligned_score}
    facts: dict[str, Any] = {"device": str(heads[0].weight.device), "dtype": str(states[0].dtype)}
    facts |= {"compared_tokens": new, **totals.facts()}
    facts |= {"tokens_per_second": round(new / (time.monotonic() - started), 2)}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="compare", config=config, inputs=inputs, started=started, facts=facts)


def described(rows: pd.DataFrame, answers: pd.DataFrame, text: TokenText) -> pd.DataFrame:
    """The rows of some answers with where each token stands, and with the texts of all ids."""
    for at, (name, values) in enumerate(token_positions(answers).items()):
        rows.insert(at, name, values)
    rows.insert(3, "token", text.show_all(rows["token_id"]))
    for side in ("base", "aligned"):
        rows[f"{side}_top_tokens"] = [text.show_all(ids) for ids in rows[f"{side}_top_ids"]]
    return rows


def token_positions(responses: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """Columns (N,) that say where each response token stands: example_id, position."""
    lengths = responses["token_ids"].map(len)
    return {
        "example_id": np.repeat(responses["id"].to_numpy(), lengths),
        "position": np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
    }


def _tokens(pairing: Pairing, responses: Path) -> Iterator[torch.Tensor]:
    """The places of the tokens of each response, (T,)."""
    for block in blocks(responses):
        yield from torch.split(pairing.places(block), block["token_ids"].map(len).tolist())


def compare_new(
    heads: tuple[LMHead, LMHead],
    states: tuple[StateFile, StateFile],
    tokens: Iterable[torch.Tensor],
    kept: TokenRows,
    *,
    top_k: int,
    chunk: int,
) -> tuple[list[str], int]:
    """Compare the responses that have these `tokens` as `compare` does, unless their rows are `kept`; then they are.

    Under which names, and how many tokens were new. `heads` and `states` are those of the base and of the aligned
    model. Some thousand positions are in memory at a time, always whole chunks, whatever response one ends in.
    """
    names, start = [], 0
    with progress("comparing", states[0].shape[0], "tokens") as bar:
        waiting = Waiting(heads, kept, top_k, chunk, bar)
        for here in tokens:
            stop = start + len(here)
            names.append(waiting.add(states[0].read(start, stop), states[1].read(start, stop), here))
            start = stop
        waiting.finish()
    return names, waiting.new


class Waiting:
    """Responses that are compared as soon as enough of them have come."""

    def __init__(self, heads: tuple[LMHead, LMHead], kept: TokenRows, top_k: int, chunk: int, bar: "tqdm[Any]") -> None:
        self.new = 0  # tokens
        self._heads, self._kept, self._top_k, self._chunk, self._bar = heads, kept, top_k, chunk, bar
        self._halving = in_halves()
        self._names: dict[str, int] = {}  # of the responses that are not kept yet, with their lengths
        self._positions: list[tuple[torch.Tensor, ...]] = []  # base, aligned and token at those not compared yet
        self._rows: list[pd.DataFrame] = []  # at those that are

    def add(self, base: torch.Tensor, aligned: torch.Tensor, tokens: torch.Tensor) -> str:
        """The name under which the rows of this response are kept by and by."""
        name = tensor_digest(base, aligned, tokens)
        if name in self._kept or name in self._names:
            self._bar.update(len(tokens))
            return name
        self.new += len(tokens)
        self._names[name] = len(tokens)
        self._positions.append((base, aligned, tokens))
        waiting = sum(len(one[2]) for one in self._positions)
        if waiting >= max(TOKENS, self._chunk):
            self._compare(waiting - waiting % self._chunk)
        return name

    def finish(self) -> None:
        """Compare what still waits."""
        if self._positions:
            self._compare(sum(len(one[2]) for one in self._positions))

    def _compare(self, count: int) -> None:
        base, aligned, tokens = map(torch.cat, zip(*self._positions, strict=True))
        sides = [HeadAndStates(head, one[:count]) for head, one in zip(self._heads, (base, aligned), strict=True)]
        work = (self._top_k, self._chunk, self._bar, self._halving)
        self._rows.append(compared(sides[0], sides[1], tokens[:count], *work))
        self._positions = [(base[count:], aligned[count:], tokens[count:])] if count < len(tokens) else []
        rows = pd.concat(self._rows, ignore_index=True)
        ends = np.cumsum([*self._names.values()])
        whole = int(np.searchsorted(ends, len(rows), side="right"))
        if not whole:
            return
        done, end = dict(islice(self._names.items(), whole)), ends[whole - 1]
        self._kept.put(list(done), list(done.values()), rows[:end])
        self._names = dict(islice(self._names.items(), whole, None))
        self._rows = [rows[end:]] if end < len(rows) else []


def compare(base: HeadAndStates, aligned: HeadAndStates, tokens: torch.Tensor, top_k: int, chunk: int) -> pd.DataFrame:
    """Token-table columns for all N positions, `chunk` positions at a time; heads on their device, states anywhere.

    Both heads score the same S tokens in the same order; `tokens` (N,) and all ids that come back count in that order.
    """
    same_vocabulary(base.head, aligned.head)
    with progress("comparing", len(tokens), "tokens") as bar:
        return compared(base, aligned, tokens, top_k, chunk, bar, in_halves())


def same_vocabulary(base: LMHead, aligned: LMHead) -> None:
    """A UserError where two heads score tokens of different numbers."""
    if base.vocabulary != aligned.vocabulary:
        raise UserError(
            f"the models score {base.vocabulary} and {aligned.vocabulary} tokens",
            where="pair",
            remedy="compare models that share a vocabulary",
        )


def in_halves() -> Halving:
    """What cuts the chunks of a comparison where a card has no room for a whole one."""
    return Halving("the comparison", row="position")


@torch.inference_mode()
def compared(
    base: HeadAndStates,
    aligned: HeadAndStates,
    tokens: torch.Tensor,
    top_k: int,
    chunk: int,
    bar: "tqdm[Any]",
    halving: Halving,
) -> pd.DataFrame:
    """`compare` as a part of work that has its bar."""
    device = base.head.weight.device
    spaces = Workspaces(base.head.vocabulary, device)

    def work(part: slice) -> pd.DataFrame:
        both = [HeadAndStates(side.head, side.states[part].to(device)) for side in (base, aligned)]
        here = tokens[part].to(device)
        found = contrast(both[0], both[1], here, top_k, spaces.of(min(halving.most or chunk, len(tokens))))
        excluded = [excluded_probability(both[0], found.base), excluded_probability(both[1], found.aligned)]
        return _columns(here, found, excluded)

    parts = []
    for table in halving.parts(work, len(tokens), chunk):
        parts.append(table)
        bar.update(len(table))
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
