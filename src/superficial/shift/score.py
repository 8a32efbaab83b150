"""The score stage: one teacher-forced pass per (model, context) over a fixed set of responses.

What is kept are the final hidden states (the input of the LM head) at every response position. From two such files any
two models or contexts can be compared over the whole vocabulary without running a model body again.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from superficial.artifacts.files import canonical, digest, file_sha256, whole_file, write_sidecar
from superficial.artifacts.hidden_states import HiddenStates
from superficial.artifacts.shard import Shard
from superficial.artifacts.table import read_table
from superficial.config.schema import RuntimeConfig, ScoreStage
from superficial.data.dialogue import last_turns
from superficial.inference.teacher_forcing import TeacherForcing, TokenSequence
from superficial.models.load import LoadedModel, load_model
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.requirements import check_length
from superficial.shift.pair.pairing import Pairing


def run(
    cfg: ScoreStage,
    runtime: RuntimeConfig,
    *,
    pair: Path,
    model: Path,
    data: Path,
    responses: Path,
    prompt_files: Path | Sequence[Path] = (),
    out: Path,
) -> None:
    """Write `out` (safetensors): `states` (N, H) for all response tokens in the order of `responses`, `lengths` (E,).

    `pair` is the report of the pair stage: it says which ids the base is fed where its vocabulary differs.
    """
    started = time.monotonic()
    loaded = load_model(model, runtime.device)
    prompts = PromptBuilder.of(loaded, cfg.context, prompt_files)
    sequences = read_sequences(loaded, prompts, pair, data, responses)
    scorer = TeacherForcing(loaded, runtime.score_tokens, HiddenStates(out.parents[3], loaded.key))
    states = scorer.states(sequences)
    context = digest([sequence.context for sequence in sequences])
    about = {"model": loaded.key, "context": context, "responses": file_sha256(responses)}
    write_states(out, states, sequences, about)
    seconds = time.monotonic() - started
    facts = {
        **loaded.facts,
        "score_tokens": runtime.score_tokens,
        "response_tokens": len(states),
        "fed_tokens": scorer.fed_tokens,
        "forward_passes": scorer.forward_passes,
        "response_tokens_per_second": round(len(states) / seconds, 2),
    }
    inputs = {"pair": pair, "model": model, "data": data, "responses": responses, **prompts.files}
    write_sidecar(out, stage="score", config=cfg.model_dump(mode="json"), inputs=inputs, started=started, facts=facts)


def share(
    cfg: ScoreStage,
    runtime: RuntimeConfig,
    shard: Shard,
    *,
    pair: Path,
    model: Path,
    data: Path,
    responses: Path,
    prompt_files: Path | Sequence[Path] = (),
    out: Path,
) -> None:
    """Score a shard of the batches; `run` then finds their states."""
    loaded = load_model(model, runtime.device)
    prompts = PromptBuilder.of(loaded, cfg.context, prompt_files)
    sequences = read_sequences(loaded, prompts, pair, data, responses)
    TeacherForcing(loaded, runtime.score_tokens, HiddenStates(out.parents[3], loaded.key)).share(sequences, shard)


def write_states(path: Path, states: torch.Tensor, sequences: list[TokenSequence], about: Mapping[str, str]) -> None:
    """Write what `read_states` reads; `about` says what decided the states."""
    lengths = torch.tensor([len(sequence.response) for sequence in sequences])
    with whole_file(path) as partial:
        # One metadata entry: several would be written in no fixed order, and equal runs must give equal bytes.
        save_file({"states": states, "lengths": lengths}, partial, metadata={"about": canonical(about)})


def read_states(path: Path) -> tuple[torch.Tensor, list[int]]:
    """`states` (N, H) and the response lengths that cut them into examples."""
    with safe_open(path, framework="pt") as file:
        return file.get_tensor("states"), file.get_tensor("lengths").tolist()


def read_sequences(
    loaded: LoadedModel, prompts: PromptBuilder, pair: Path, data: Path, responses: Path
) -> list[TokenSequence]:
    """The sequences of the files that the stage is given, in the order of `responses`."""
    answers = Pairing.read(pair).read_by(loaded.manifest["name"], read_table(responses))
    return build_sequences(loaded, prompts, read_table(data), answers)


def build_sequences(
    loaded: LoadedModel, prompts: PromptBuilder, data: pd.DataFrame, responses: pd.DataFrame
) -> list[TokenSequence]:
    """Put the context of this model before the response's token ids, which are reused as they were generated."""
    turns, sequences = last_turns(data, responses), []
    for example, tokens in zip(responses["id"], responses["token_ids"], strict=True):
        query, before = turns[example]
        prompt = prompts.build(query, example=example, history=before)
        sequence = TokenSequence(prompt.ids, [int(token) for token in tokens])
        check_length(loaded, len(sequence.fed), example=example, what="context and response")
        sequences.append(sequence)
    return sequences
