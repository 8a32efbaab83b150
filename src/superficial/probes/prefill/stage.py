"""The prefill stage: how a model goes on when the first tokens of its response are put into its mouth.

Decoding is the method's own, so that with nothing given the answer is how the model's response by that method begins.
A repetition penalty, where the method has one, counts what was given like what the model wrote.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import PrefillStage, Runtime
from superficial.data.dialogue import last_turns
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.go_on import go_on
from superficial.inference.generate.requests import GenerationRequest, generation_request
from superficial.inference.generate.thinking import ThinkingReader
from superficial.models.load import LoadedModel, load_model
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.requirements import check_length

COLUMNS = ["example_id", "opening", "k", "window", "given", "token_ids", "text", "finish_reason"]


@dataclass(frozen=True)
class Prefill:
    """A prompt that ends with the first tokens of an opening."""

    request: GenerationRequest
    opening: str
    given: list[int]


def run(
    cfg: PrefillStage,
    runtime: Runtime,
    *,
    model: Path,
    data: Path,
    responses: Path,
    prompt_files: Path | Sequence[Path] = (),
    out: Path,
) -> None:
    """Write one row for each harmful instruction, opening and k: what was `given`, and the `text` that followed.

    `token_ids` are those that followed, with the one that ended it. Where a response thinks, `text` is the answer
    alone, and the column thinking holds what stands before it, with what was given (null: nothing). At k = 0 all
    openings have one and the same answer. `responses` are the aligned model's: of a dialogue, its earlier answers stand
    in the prompt. Answers are kept in a store as they are finished, like those of the generate stage.
    """
    started = time.monotonic()
    loaded = load_model(model, runtime.device)
    prompts = PromptBuilder.of(loaded, cfg.prompt, prompt_files)
    greedy = GreedyDecoding.of(cfg.prompt, cfg.decoding, cfg.max_new_tokens)
    prefills = build_prefills(loaded, cfg, greedy, prompts, read_table(data), read_table(responses))
    found = go_on(runtime, loaded, model, greedy, [one.request for one in prefills], out.parents[3])
    rows = [_row(loaded, cfg, one, reply) for one, reply in zip(prefills, found.answers, strict=True)]
    table, reader = pd.DataFrame(rows, columns=COLUMNS), ThinkingReader(loaded.tokenizer, prompts)
    write_table(answers_apart(table, reader), out)
    inputs = {"model": model, "data": data, "responses": responses, **prompts.files}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="prefill", config=config, inputs=inputs, started=started, facts=found.facts)


def build_prefills(
    loaded: LoadedModel,
    cfg: PrefillStage,
    greedy: GreedyDecoding,
    prompts: PromptBuilder,
    data: pd.DataFrame,
    responses: pd.DataFrame,
) -> list[Prefill]:
    """Every opening and k for every harmful instruction."""
    chosen = data[data["category"] == "safety"]
    turns, found = last_turns(chosen, responses), []
    openings = {name: opening_ids(loaded, name, text, cfg.prefixes[-1]) for name, text in cfg.openings.items()}
    for example in chosen["id"]:
        query, before = turns[example]
        context = prompts.build(query, example=example, history=before).ids
        for name, tokens in openings.items():
            for k in cfg.prefixes:
                prompt = context + tokens[:k]
                what = "prompt and prefill.max_new_tokens"
                check_length(loaded, len(prompt) + cfg.max_new_tokens, example=example, what=what)
                found.append(Prefill(generation_request(loaded, greedy, example, prompt), name, tokens[:k]))
    return found


def opening_ids(loaded: LoadedModel, name: str, text: str, most: int) -> list[int]:
    """Token ids of an opening, as the model itself would begin a response with it; `most` are needed."""
    ids = [int(token) for token in loaded.tokenizer(text, add_special_tokens=False).input_ids]
    if len(ids) < most:
        raise UserError(
            f"it has {len(ids)} tokens for model {loaded.manifest['name']}, and the largest prefix is {most}",
            where=f"config, key prefill.openings.{name}",
            remedy="write a longer one, or lower prefill.prefixes",
        )
    return ids


def answers_apart(table: pd.DataFrame, reader: ThinkingReader) -> pd.DataFrame:
    """The table of responses with the answer as their `text`, and thinking; as it is where none of them thinks."""
    parts = [reader.split(given + text) for given, text in zip(table["given"], table["text"], strict=True)]
    thinking = pd.Series([before for before, _ in parts], index=table.index, dtype=object)
    if thinking.isna().all():
        return table
    answers = pd.Series([answer for _, answer in parts], index=table.index, dtype=object)
    return table.assign(text=table["text"].where(thinking.isna(), answers), thinking=thinking)


def _row(loaded: LoadedModel, cfg: PrefillStage, one: Prefill, reply: Answer) -> dict[str, object]:
    def decode(ids: list[int]) -> str:
        return str(loaded.tokenizer.decode(ids))

    # Some tokenizers drop the space before the first word of a text, which here stands inside of one.
    given = decode(one.given)
    rest = decode(one.given + reply.token_ids)[len(given) :]
    text = rest[: len(rest) - len(rest.lstrip())] + reply.text.lstrip()
    values = (one.request.example, one.opening, len(one.given), cfg.max_new_tokens, given, reply.token_ids, text)
    return dict(zip(COLUMNS, (*values, reply.finish_reason), strict=True))
