"""The spans stage: log-probability of the same spans of text under two models that need share no tokenizer.

The aligned model reads the tokens that it wrote, behind its own prompt; the base reads their text, split by its own
tokenizer, behind its own context. A log-probability is that of one tokenization: a lower bound of that of the text,
which sums over all.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.hidden_states import HiddenStates
from superficial.artifacts.table import read_table, write_parts
from superficial.config.schema import RuntimeConfig, ScoreStage
from superficial.data.dialogue import last_turns
from superficial.inference.room import positions_at_a_time
from superficial.inference.teacher_forcing import Packed, TeacherForcing, TokenSequence
from superficial.models.head import LMHead
from superficial.models.load import LoadedModel, load_model
from superficial.probes.spans.byte_pair import ByteReport
from superficial.probes.spans.reading import Readings, require_some
from superficial.probes.spans.spelling import Spelling
from superficial.probes.spans.table import spans
from superficial.probes.spans.token_scores import TokenScores, token_scores
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.requirements import check_length
from superficial.shift.pair.vocabulary import Vocabulary


def run(
    cfg: ScoreStage,
    runtime: RuntimeConfig,
    *,
    pair: Path,
    base: Path,
    aligned: Path,
    data: Path,
    responses: Path,
    prompt_files: Path | Sequence[Path] = (),
    out: Path,
) -> None:
    """Write the table of `spans`; `pair` is the report of the stage byte_pair. One model is in memory at a time."""
    started = time.monotonic()
    report = ByteReport.model_validate_json(pair.read_text(encoding="utf-8"))
    spelled = {"base": Spelling(Vocabulary.read(base)), "aligned": Spelling(Vocabulary.read(aligned))}
    answers = pd.read_parquet(responses, columns=["id", "prompt_ids", "token_ids", "earlier_answers"])
    found = Readings(spelled["base"], spelled["aligned"], report, answers)
    require_some(found, report.base.model)
    ours, theirs = spelled["base"].keys, spelled["aligned"].keys
    partners = {ours[key]: theirs[key] for key in ours.keys() & theirs.keys()}
    model, results = load_model(base, runtime.device), out.parents[3]
    prompts = PromptBuilder.of(model, cfg.context, prompt_files)
    asked = _contexts(prompts, read_table(data), answers)
    read = ((one.example, TokenSequence(asked[one.example], one.base_ids)) for one in found.compared)
    left, work = _seen(model, read, [len(one.base_ids) for one in found.compared], list(partners), runtime, results)
    del model, read
    model = load_model(aligned, runtime.device)
    given = dict(zip(answers["id"], answers["prompt_ids"], strict=True))
    # The whole response, whatever of it is compared: so its states are those of the score stage.
    read = ((one.example, TokenSequence(given[one.example].tolist(), one.aligned_ids)) for one in found.compared)
    right, more = _seen(model, read, [one.used for one in found.compared], list(partners.values()), runtime, results)
    write_parts(spans(found, left, right, partners), out)
    inputs = {"pair": pair, "base": base, "aligned": aligned, "data": data, "responses": responses, **prompts.files}
    facts: dict[str, Any] = {"score_tokens": max(work.pop("score_tokens"), more["score_tokens"])}
    facts |= model.facts | {name: count + more[name] for name, count in work.items()}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="spans", config=config, inputs=inputs, started=started, facts=facts)


def _contexts(prompts: PromptBuilder, data: pd.DataFrame, answers: pd.DataFrame) -> dict[str, list[int]]:
    """What the base reads before each response."""
    turns = last_turns(data, answers)
    return {
        example: prompts.build(query, example=example, history=before).ids for example, (query, before) in turns.items()
    }


def _seen(
    model: LoadedModel,
    read: Iterable[tuple[str, TokenSequence]],
    used: list[int],
    shared: list[int],
    runtime: RuntimeConfig,
    results: Path,
) -> tuple[TokenScores, dict[str, int]]:
    """The view of the first `used` tokens of each response, all in one, and what it took."""

    def checked() -> Iterator[TokenSequence]:
        for example, sequence in read:
            check_length(model, len(sequence.fed), example=example, what="context and response")
            yield sequence

    def pieces() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for states, sequence, count in zip(scorer.kept_states(sequences), sequences, used, strict=True):
            yield states[:count], torch.tensor(sequence.response[:count])

    sequences = Packed(checked())
    scorer = TeacherForcing(model, runtime.score_tokens, HiddenStates(results, model.key))
    scorer.keep(sequences)
    head = LMHead.of(model.model)
    known = torch.zeros(head.vocabulary, dtype=torch.bool)
    known[shared] = True
    chunk = positions_at_a_time(runtime.position_chunk, head)
    found = token_scores(head, pieces(), known, chunk, sum(used))
    work = {"forward_passes": scorer.forward_passes, "fed_tokens": scorer.fed_tokens}
    return found, {"score_tokens": int(scorer.batch_tokens), **work}
