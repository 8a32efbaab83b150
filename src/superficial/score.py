"""The score stage: one teacher-forced pass per (model, context) over a fixed set of responses.

What is kept are the final hidden states (the input of the LM head) at every response position. From two such files any
two models or contexts can be compared over the whole vocabulary without running a model body again.
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
from superficial.head import Head, check_head, states_and_logits
from superficial.models.load import Loaded, load_model
from superficial.pair.pairing import Pairing
from superficial.prefix import Prefix, shared_prefix
from superficial.progress import progress
from superficial.prompts.builder import PromptBuilder
from superficial.schema import RuntimeConfig, ScoreStage
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
    states = score(loaded, sequences, runtime.score_tokens)
    context = digest([sequence.context for sequence in sequences])
    about = {"model": loaded.key, "context": context, "responses": file_sha256(responses)}
    write_states(out, states, sequences, about)
    seconds = time.monotonic() - started
    shared = len(shared_prefix(loaded, [sequence.context for sequence in sequences]))
    facts = {
        "device": str(loaded.device),
        "dtype": str(loaded.dtype),
        "response_tokens": len(states),
        "fed_tokens": sum(len(sequence.fed) - shared for sequence in sequences) + shared,
        "response_tokens_per_second": round(len(states) / seconds, 2),
    }
    inputs = {"pair": pair, "model": model, "data": data, "responses": responses, **prompts.files}
    write_sidecar(out, stage="score", config=cfg.model_dump(mode="json"), inputs=inputs, started=started, facts=facts)


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


def score(loaded: Loaded, sequences: list[Sequence], batch_tokens: int) -> torch.Tensor:
    """Final hidden states (N, H) on the CPU that predict each response token; one forward pass per batch.

    What all contexts start with is read once, before. The first batch also checks that head(states) equals the model's
    own logits.
    """
    head = Head.of(loaded.model)
    parts: dict[int, torch.Tensor] = {}
    total = sum(len(sequence.response) for sequence in sequences)
    with torch.inference_mode(), progress(f"scoring ({loaded.manifest['name']})", total, "tokens") as bar:
        prefix = Prefix.read(loaded, [sequence.context for sequence in sequences])
        for rows in _batches(sequences, batch_tokens):
            hidden = _forward(loaded, [sequences[row].fed for row in rows], prefix, head if not parts else None)
            for row, states in zip(rows, hidden, strict=True):
                first = len(sequences[row].context) - 1 - len(prefix.ids)
                length = len(sequences[row].response)
                parts[row] = states[first : first + length].cpu()
                bar.update(length)
    return torch.cat([parts[row] for row in range(len(sequences))])


def _forward(loaded: Loaded, rows: list[list[int]], prefix: Prefix, head: Head | None) -> torch.Tensor:
    """Hidden states (B, T, H) of what follows `prefix` in each row, right-padded.

    With `head`, check it on the last position of the same pass.
    """
    rests = [row[len(prefix.ids) :] for row in rows]
    width = max(map(len, rests))
    pad = loaded.end_ids[0]  # never seen: attention is causal, and what lies right of a response is not read
    ids = torch.tensor([rest + [pad] * (width - len(rest)) for rest in rests], device=loaded.device)
    mask = torch.tensor([[1] * len(rest) + [0] * (width - len(rest)) for rest in rests], device=loaded.device)
    inputs = {"input_ids": ids, **prefix.before(loaded.model, mask)}
    if head is None:
        hidden: torch.Tensor = loaded.model.base_model(**inputs).last_hidden_state
        return hidden
    hidden, logits = states_and_logits(loaded.model, **inputs)
    check_head(head, hidden[:, -1], logits[:, -1], loaded.manifest["name"])
    return hidden


def _batches(sequences: list[Sequence], budget: int) -> Iterator[list[int]]:
    """Row numbers in batches of at most `budget` tokens with padding (or one row), like lengths together."""
    batch: list[int] = []
    for row in sorted(range(len(sequences)), key=lambda row: len(sequences[row].fed)):
        # Sorted, so this row is the longest of the batch.
        if batch and (len(batch) + 1) * len(sequences[row].fed) > budget:
            yield batch
            batch = []
        batch.append(row)
    yield batch
