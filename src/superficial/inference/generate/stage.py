"""The generate stage: a model answers every instruction by greedy decoding."""

import importlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import digest, write_sidecar
from superficial.artifacts.shard import Shard
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import GenerateStage, Runtime, ServerEngine, StartedEngine
from superficial.config.schema.server import ModuleEngine
from superficial.data.dialogue import history, queries_of
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.engine import Engine, LocalEngine
from superficial.inference.generate.remote import RemoteEngine
from superficial.inference.generate.started import OwnServerEngine
from superficial.inference.generate.thinking import Parts, ThinkingReader, tell_thinking, with_thinking
from superficial.inference.server.own import OwnServer
from superficial.models.load import load_model
from superficial.prompts.builder import Prompt, PromptBuilder
from superficial.prompts.files import check_turns


@dataclass
class Dialogue:
    """What was asked of a model about one instruction, and what it answered, turn by turn."""

    prompts: list[Prompt] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    parts: list[Parts] = field(default_factory=list)  # of each answer: what was thought, and what was said


def run(
    cfg: GenerateStage,
    runtime: Runtime,
    *,
    model: Path,
    data: Path,
    prompt_files: Path | Sequence[Path] = (),
    out: Path,
) -> None:
    """Write one row for each instruction, about the last turn where it is a dialogue.

    Columns: id, prompt_ids, prompt_sha256, token_ids, text, finish_reason, neighbours, earlier_answers (of the turns
    before), near_ties (tokens that rounding may have decided; NaN where a server answered). An end token, when the
    model emitted it, is the last of token_ids (paper, section 2.2) and no part of `text`. Where a response thinks there
    are also thinking (its text, with markers; null: none) and thinking_tokens (so many of the first token_ids), and
    `text` is the answer alone. Answers are kept as they are finished, so that a killed run goes on where it was.
    """
    started = time.monotonic()
    queries = askable(cfg, data)
    engine = open_engine(cfg, runtime, model, out.parents[3])
    builder = PromptBuilder(cfg.prompt, engine.tokenizer, prompt_files, model=model.parent.name)
    dialogues = converse(queries, builder, engine)
    rows = pd.DataFrame([_row(example, one) for example, one in dialogues.items()])
    table = with_thinking(rows, [one.parts[-1] for one in dialogues.values()])
    write_table(table, out)
    inputs = {"model": model, "data": data, **builder.files}
    config, facts = cfg.model_dump(mode="json"), engine.facts() | tell_thinking(table)
    write_sidecar(out, stage="generate", config=config, inputs=inputs, started=started, facts=facts)


def share(
    cfg: GenerateStage,
    runtime: Runtime,
    shard: Shard,
    *,
    model: Path,
    data: Path,
    prompt_files: Path | Sequence[Path] = (),
    out: Path,
) -> None:
    """Answer a shard of the first queries; `run` finds them answered, and goes on with further turns of dialogues."""
    queries = askable(cfg, data)
    engine = open_engine(cfg, runtime, model, out.parents[3])
    builder = PromptBuilder(cfg.prompt, engine.tokenizer, prompt_files, model=model.parent.name)
    engine.share({example: builder.build(turns[0], example=example) for example, turns in queries.items()}, shard)


def askable(cfg: GenerateStage, data: Path) -> dict[str, list[str]]:
    """All queries by instruction; a UserError, before a model is loaded, where the prompt has no place for them."""
    queries = queries_of(read_table(data))
    if any(len(those) > 1 for those in queries.values()):
        check_turns(cfg.prompt)
    return queries


def open_engine(cfg: GenerateStage, runtime: Runtime, model: Path, results: Path) -> Engine:
    """The engine of the run; a server does without the weights here."""
    greedy = GreedyDecoding.of(cfg.prompt, cfg.decoding, cfg.max_new_tokens)
    if isinstance(runtime.engine, ServerEngine):
        server = runtime.engine.serving(model.parent.name)
        return RemoteEngine(server, model, greedy, results, cfg.prompt.chat_template_kwargs)
    if isinstance(runtime.engine, StartedEngine):
        served = OwnServer(runtime.engine, load_model(model, runtime.device), model, results, runtime.device)
        return OwnServerEngine(served, model, greedy, results, cfg.prompt.chat_template_kwargs)
    if isinstance(runtime.engine, ModuleEngine):
        module = importlib.import_module(f"superficial.inference.engines.{runtime.engine.module}")
        own: Engine = module.open_engine(runtime.engine.options, model, greedy, results)
        return own
    return LocalEngine(load_model(model, runtime.device), greedy, runtime.generate_batch, results)


def converse(queries: Mapping[str, Sequence[str]], builder: PromptBuilder, engine: Engine) -> dict[str, Dialogue]:
    """Answer the queries of each instruction (by id) one after the other, each with the queries and answers before."""
    found = {example: Dialogue() for example in queries}
    reader = ThinkingReader(engine.tokenizer, builder)
    for turn in range(max(map(len, queries.values()))):
        asked = {}
        for example, those in queries.items():
            if turn < len(those):
                before = history(those[:turn], [one.answer for one in found[example].parts])
                asked[example] = builder.build(those[turn], example=example, history=before)
        for example, answer in engine.answer(asked).items():
            found[example].prompts.append(asked[example])
            found[example].answers.append(answer)
            found[example].parts.append(reader.parts(answer))
    return found


def _row(example: str, dialogue: Dialogue) -> dict[str, object]:
    prompt, answer, said = dialogue.prompts[-1], dialogue.answers[-1], [one.answer for one in dialogue.parts]
    return {
        "id": example,
        "prompt_ids": prompt.ids,
        "prompt_sha256": digest(prompt.ids),
        "token_ids": answer.token_ids,
        "text": said[-1],
        "finish_reason": answer.finish_reason,
        "neighbours": prompt.neighbours,
        "earlier_answers": said[:-1],
        "near_ties": math.nan if answer.near_ties is None else float(answer.near_ties),
    }
