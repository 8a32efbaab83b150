"""The score stage: one teacher-forced pass per (model, context) over a fixed set of responses.

What is kept are the final hidden states (the input of the LM head) at every response position. From two such files any
two models or contexts can be compared over the whole vocabulary without running a model body again. Finished batches
survive a kill, and shards are batches (superficial.parts).
"""

import time
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from superficial.artifact import canonical, digest, file_sha256, whole_file, write_sidecar
from superficial.context import check_length
from superficial.dataset.dialogue import last_turns
from superficial.head import Head, check_head
from superficial.models.load import Loaded, load_model
from superficial.pair.pairing import Pairing
from superficial.parts import Parts
from superficial.progress import progress
from superficial.prompts.builder import PromptBuilder
from superficial.schema import RuntimeConfig, ScoreStage
from superficial.shard import Shard
from superficial.table import read_table


@dataclass(frozen=True)
class Sequence:
    """Context and response of one example, as token ids."""

    context: list[int]
    response: list[int]

    @property
    def fed(self) -> list[int]:
        """What the model reads: the last response token is only predicted."""
        return (self.context + self.response)[:-1]


def run(
    cfg: ScoreStage,
    runtime: RuntimeConfig,
    *,
    pair: Path,
    model: Path,
    data: Path,
    responses: Path,
    prompt_files: Path | Several[Path] = (),
    out: Path,
) -> None:
    """Write `out` (safetensors): `states` (N, H) for all response tokens in the order of `responses`, `lengths` (E,).

    `pair` is the report of the pair stage: it says which ids the base is fed where its vocabulary differs.
    """
    started = time.monotonic()
    loaded = load_model(model, runtime.device)
    answers = Pairing.read(pair).read_by(loaded.manifest["name"], read_table(responses))
    prompts = PromptBuilder.of(loaded, cfg.context, prompt_files)
    sequences = build_sequences(loaded, prompts, read_table(data), answers)
    parts = Parts(loaded, out.parents[3])
    states = score(loaded, sequences, runtime.score_tokens, parts)
    context = digest([sequence.context for sequence in sequences])
    about = {"model": loaded.key, "context": context, "responses": file_sha256(responses)}
    write_states(out, states, sequences, about)
    seconds = time.monotonic() - started
    facts = {
        "device": str(loaded.device),
        "dtype": str(loaded.dtype),
        "response_tokens": len(states),
        "fed_tokens": sum(len(sequence.fed) for sequence in sequences),
        "response_tokens_per_second": round(len(states) / seconds, 2),
    }
    inputs = {"pair": pair, "model": model, "data": data, "responses": responses, **prompts.files}
    write_sidecar(out, stage="score", config=cfg.model_dump(mode="json"), inputs=inputs, started=started, facts=facts)
    for rows in batches(sequences, runtime.score_tokens):
        parts.drop([sequences[row] for row in rows])


def share(
    cfg: ScoreStage,
    runtime: RuntimeConfig,
    shard: Shard,
    *,
    pair: Path,
    model: Path,
    data: Path,
    responses: Path,
    prompt_files: Path | Several[Path] = (),
    out: Path,
) -> None:
    """Score a shard of the batches; `run` then finds their states."""
    loaded = load_model(model, runtime.device)
    answers = Pairing.read(pair).read_by(loaded.manifest["name"], read_table(responses))
    prompts = PromptBuilder.of(loaded, cfg.context, prompt_files)
    sequences = build_sequences(loaded, prompts, read_table(data), answers)
    part = shard.of(batches(sequences, runtime.score_tokens))
    for _ in scored(loaded, sequences, part, Parts(loaded, out.parents[3])):
        pass


def write_states(path: Path, states: torch.Tensor, sequences: list[Sequence], about: Mapping[str, str]) -> None:
    """Write what `read_states` reads; `about` says what decided the states."""
    lengths = torch.tensor([len(sequence.response) for sequence in sequences])
    with whole_file(path) as partial:
        # One metadata entry: several would be written in no fixed order, and equal runs must give equal bytes.
        save_file({"states": states, "lengths": lengths}, partial, metadata={"about": canonical(about)})


def read_states(path: Path) -> tuple[torch.Tensor, list[int]]:
    """`states` (N, H) and the response lengths that cut them into examples."""
    with safe_open(path, framework="pt") as file:
        return file.get_tensor("states"), file.get_tensor("lengths").tolist()


def build_sequences(
    loaded: Loaded, prompts: PromptBuilder, data: pd.DataFrame, responses: pd.DataFrame
) -> list[Sequence]:
    """Put the context of this model before the response's token ids, which are reused as they were generated."""
    turns, sequences = last_turns(data, responses), []
    for example, tokens in zip(responses["id"], responses["token_ids"], strict=True):
        query, before = turns[example]
        prompt = prompts.build(query, example=example, history=before)
        sequence = Sequence(prompt.ids, [int(token) for token in tokens])
        check_length(loaded, len(sequence.fed), example=example, what="context and response")
        sequences.append(sequence)
    return sequences


def score(loaded: Loaded, sequences: list[Sequence], batch_tokens: int, parts: Parts | None = None) -> torch.Tensor:
    """Final hidden states (N, H) on the CPU that predict each response token; one forward pass per batch."""
    found: dict[int, torch.Tensor] = {}
    for rows, states in scored(loaded, sequences, batches(sequences, batch_tokens), parts):
        found.update(zip(rows, torch.split(states, [len(sequences[row].response) for row in rows]), strict=True))
    return torch.cat([found[row] for row in range(len(sequences))])


def scored(
    loaded: Loaded, sequences: list[Sequence], groups: Several[list[int]], parts: Parts | None
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """The rows of each batch with their states (N, H), which are read from `parts` or kept there.

    The first batch that is computed also checks that head(states) equals the model's own logits.
    """
    head: Head | None = None
    total = sum(len(sequences[row].response) for rows in groups for row in rows)
    with progress(f"scoring ({loaded.manifest['name']})", total, "tokens") as bar:
        for rows in groups:
            batch = [sequences[row] for row in rows]
            states = parts.read(batch) if parts else None
            if states is None:
                unchecked = None if head else Head.of(loaded.model)
                hidden = _forward(loaded, [one.fed for one in batch], unchecked)
                head = head or unchecked
                starts = [len(one.context) - 1 for one in batch]
                states = torch.cat(
                    [
                        row[start : start + len(one.response)].cpu()
                        for one, row, start in zip(batch, hidden, starts, strict=True)
                    ]
                )
                if parts:
                    parts.keep(batch, states)
            bar.update(len(states))
            yield rows, states


@torch.inference_mode()
def _forward(loaded: Loaded, rows: list[list[int]], head: Head | None) -> torch.Tensor:
    """Hidden states (B, T, H) of right-padded rows; with `head`, check it on the last position of the same pass."""
    width = max(map(len, rows))
    pad = loaded.end_ids[0]  # never seen: attention is causal, and what lies right of a response is not read
    inputs = {
        "input_ids": torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=loaded.device),
        "attention_mask": torch.tensor(
            [[1] * len(row) + [0] * (width - len(row)) for row in rows], device=loaded.device
        ),
    }
    body = loaded.model.base_model
    if head is None:
        hidden: torch.Tensor = body(**inputs, use_cache=False).last_hidden_state
        return hidden
    kept: list[torch.Tensor] = []
    hook = body.register_forward_hook(lambda _module, _args, output: kept.append(output.last_hidden_state))
    try:
        logits = loaded.model(**inputs, use_cache=False, logits_to_keep=1).logits
    finally:
        hook.remove()
    check_head(head, kept[0][:, -1], logits[:, -1], loaded.manifest["name"])
    return kept[0]


def batches(sequences: list[Sequence], budget: int) -> list[list[int]]:
    """Row numbers in batches of at most `budget` tokens with padding (or one row), like lengths together."""
    found: list[list[int]] = []
    for row in sorted(range(len(sequences)), key=lambda row: len(sequences[row].fed)):
        # Sorted, so this row is the longest of the batch.
        if not found or (len(found[-1]) + 1) * len(sequences[row].fed) > budget:
            found.append([])
        found[-1].append(row)
    return found
