"""The score stage: one teacher-forced pass per (model, context) over a fixed set of responses.

What is kept are the final hidden states (the input of the LM head) at every response position. From two such files any
two models or contexts can be compared over the whole vocabulary without running a model body again.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import digest_all, file_sha256, write_sidecar
from superficial.artifacts.hidden_states import HiddenStates
from superficial.artifacts.shard import Shard
from superficial.artifacts.state_file import write_states
from superficial.artifacts.table import read_table
from superficial.config.schema import RuntimeConfig, ScoreStage
from superficial.data.dialogue import last_turns
from superficial.inference.teacher_forcing import Packed, TeacherForcing, TokenSequence
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
    context = digest_all(sequence.context for sequence in sequences)
    about = {"model": loaded.key, "context": context, "responses": file_sha256(responses)}
    scorer, tokens = write_scored(loaded, sequences, about, runtime, out)
    seconds = time.monotonic() - started
    facts = {
        **loaded.facts,
        "score_tokens": scorer.batch_tokens,
        "kept": runtime.keep_states,
        "response_tokens": tokens,
        "fed_tokens": scorer.fed_tokens,
        "forward_passes": scorer.forward_passes,
        "response_tokens_per_second": round(tokens / seconds, 2),
    }
    inputs = {"pair": pair, "model": model, "data": data, "responses": responses, **prompts.files}
    write_sidecar(out, stage="score", config=cfg.model_dump(mode="json"), inputs=inputs, started=started, facts=facts)


def write_scored(
    loaded: LoadedModel, sequences: Packed, about: Mapping[str, str], runtime: RuntimeConfig, out: Path
) -> tuple[TeacherForcing, int]:
    """Score the sequences and write their states to `out`; `about` says what decided them.

    Returns the scorer, which counts its work, and the number of response tokens.
    """
    kept = HiddenStates(out.parents[3], loaded.key)
    scorer = TeacherForcing(loaded, runtime.score_tokens, kept)
    scorer.keep(sequences)
    lengths = [len(sequence.response) for sequence in sequences]
    write_states(out, scorer.kept_states(sequences), lengths, about)
    if runtime.keep_states:
        kept.move(sequences, out)
    else:
        kept.drop(sequences)
    return scorer, sum(lengths)


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
    TeacherForcing(loaded, runtime.score_tokens, HiddenStates(out.parents[3], loaded.key)).keep(sequences, shard)


def read_sequences(loaded: LoadedModel, prompts: PromptBuilder, pair: Path, data: Path, responses: Path) -> Packed:
    """The sequences of the files that the stage is given, in the order of `responses`."""
    table = read_table(responses, ["id", "token_ids", "earlier_answers"])
    answers = Pairing.read(pair).read_by(loaded.manifest["name"], table)
    return Packed(each_sequence(loaded, prompts, read_table(data), answers))


def build_sequences(
    loaded: LoadedModel, prompts: PromptBuilder, data: pd.DataFrame, responses: pd.DataFrame
) -> list[TokenSequence]:
    """All that `each_sequence` makes."""
    return list(each_sequence(loaded, prompts, data, responses))


def each_sequence(
    loaded: LoadedModel, prompts: PromptBuilder, data: pd.DataFrame, responses: pd.DataFrame
) -> Iterator[TokenSequence]:
    """Put the context of this model before the response's token ids, which are reused as they were generated."""
    turns = last_turns(data, responses)
    for example, tokens in zip(responses["id"], responses["token_ids"], strict=True):
        query, before = turns[example]
        prompt = prompts.build(query, example=example, history=before)
        sequence = TokenSequence(prompt.ids, [int(token) for token in tokens])
        check_length(loaded, len(sequence.fed), example=example, what="context and response")
        yield sequence
