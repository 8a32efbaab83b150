"""The rescore stage: the base under a context that differs in one thing from the one of the headline numbers."""

import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import file_sha256, write_sidecar
from superficial.artifacts.table import read_table
from superficial.config.schema import RescoreStage, RuntimeConfig
from superficial.inference.teacher_forcing import Packed, TokenSequence
from superficial.models.load import LoadedModel, load_model
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.requirements import check_length
from superficial.shift.pair.pairing import Pairing
from superficial.shift.score import each_sequence, write_scored


def run(
    cfg: RescoreStage,
    runtime: RuntimeConfig,
    *,
    pair: Path,
    model: Path,
    data: Path,
    responses: Path,
    prompt_files: Path | Sequence[Path] = (),
    out: Path,
) -> None:
    """Write `out` as the score stage does: `states` (N, H) in the order of `responses`, `lengths` (E,).

    `pair` is the report of the pair stage: it says which ids the base is fed where its vocabulary differs.
    """
    started = time.monotonic()
    loaded = load_model(model, runtime.device)
    pairing = Pairing.read(pair)
    columns = ["id", "prompt_ids", "token_ids", "earlier_answers"]
    answers = pairing.read_by(loaded.manifest["name"], pd.read_parquet(responses, columns=columns))
    if cfg.context is None:
        answers = pairing.context_read_by_base(answers)
    sequences = changed_sequences(loaded, cfg, read_table(data), answers, prompt_files)
    for example, sequence in zip(answers["id"], sequences, strict=True):
        check_length(loaded, len(sequence.fed), example=example, what="context and response")
    about = {"model": loaded.key, "context": cfg.change, "responses": file_sha256(responses)}
    scorer, tokens = write_scored(loaded, sequences, about, runtime, out)
    inputs = {"pair": pair, "model": model, "data": data, "responses": responses}
    facts = {**loaded.facts, "kept": runtime.keep_states, "score_tokens": scorer.batch_tokens}
    facts |= {"response_tokens": tokens}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="rescore", config=config, inputs=inputs, started=started, facts=facts)


def changed_sequences(
    loaded: LoadedModel,
    cfg: RescoreStage,
    data: pd.DataFrame,
    responses: pd.DataFrame,
    prompt_files: Path | Sequence[Path] = (),
) -> Packed:
    """Context and response of every example.

    `two_bos` writes a second BOS before the context, as a tokenizer does that is handed a text which opens with one; a
    context without BOS stays as it is. `aligned_context` takes the ids that the aligned model was asked with: the
    base's own tokenizer may have no chat template.
    """
    if cfg.context is None:
        pairs = zip(responses["prompt_ids"], responses["token_ids"], strict=True)
        return Packed(TokenSequence([*map(int, asked)], [*map(int, answer)]) for asked, answer in pairs)
    plain = each_sequence(loaded, PromptBuilder.of(loaded, cfg.context, prompt_files), data, responses)
    bos = [loaded.tokenizer.bos_token_id]
    return Packed(
        TokenSequence(bos + one.context if one.context[:1] == bos else one.context, one.response) for one in plain
    )
