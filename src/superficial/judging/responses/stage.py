"""The response_stats stage: what the answers of every system look like, with intervals."""

import time
from collections.abc import Iterator, Mapping
from math import nan
from pathlib import Path

import pandas as pd
from transformers import PreTrainedTokenizerBase

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import ResponseStatsStage, RuntimeConfig
from superficial.data.answered import unanswered
from superficial.data.dialogue import answered_queries
from superficial.inference.finish_reason import STOP
from superficial.judging.responses.failures import OF_ANSWERS, THINKING, measure
from superficial.judging.responses.statistics import response_table
from superficial.models.load import load_tokenizer

Paths = Path | list[Path]


def run(
    cfg: ResponseStatsStage, runtime: RuntimeConfig, *, data: Path, responses: Paths, models: Paths, out: list[Path]
) -> None:
    """Write statistics of systems, and a row for each answer; files of responses stand in the order of `cfg.systems`.

    `models` are manifests: their tokenizers read what was decoded beyond the end of an answer.
    """
    started = time.monotonic()
    files = [responses] if isinstance(responses, Path) else responses
    manifests = [models] if isinstance(models, Path) else models
    tokenizers = {path.parent.name: load_tokenizer(path) for path in manifests}
    instructions = read_table(data)
    parts, unread = [], {}
    for path, system in zip(files, cfg.systems, strict=True):
        table = read_table(path)
        rests = list(beyond(table, tokenizers.get(path.parent.name)))
        unread[system.name] = rests.count(None)
        parts.append(answer_table(instructions, table, rests).assign(system=system.name))
    answers = pd.concat(parts, ignore_index=True)
    if "thinking" in answers:  # the other systems do not think
        answers = answers.fillna(dict.fromkeys(THINKING, 0.0))
    write_table(response_table(answers, cfg), out[0])
    write_table(answers, out[1])
    inputs = {str(path): path for path in (data, *files, *manifests)}
    facts: Mapping[str, object] = {"answers": len(answers), "end_not_readable": unread}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="response_stats", config=config, inputs=inputs, started=started, facts=facts)


def answer_table(instructions: pd.DataFrame, responses: pd.DataFrame, rests: list[str | None]) -> pd.DataFrame:
    """One row for each instruction, in the order of the data: id, category, finish_reason and MEASURES.

    Where some responses think, THINKING, too, and all but tokens and ends are of the answer alone.

    Raises KeyError when a response is of no instruction of the data.
    """
    categories = instructions.set_index("id")["category"]
    queries = answered_queries(instructions).loc[responses["id"]]
    thinks = "thinking" in responses
    thought = responses["thinking_tokens"].tolist() if thinks else [0] * len(responses)
    ids = [tokens[count:] for tokens, count in zip(responses["token_ids"], thought, strict=True)]
    told = (responses[name] for name in ("finish_reason", "near_ties"))
    columns = zip(queries, responses["text"], ids, *told, rests, strict=True)
    found = pd.DataFrame([measure(*row) for row in columns], index=responses["id"])
    if thinks:
        silent, found = unanswered(responses).to_numpy(), found.astype(float)
        found.loc[silent, list(OF_ANSWERS)] = nan
        found["tokens"] = [len(tokens) or nan for tokens in responses["token_ids"]]
        found = found.assign(thinking=[float(count) for count in thought], unanswered=silent.astype(float))
    found.insert(0, "finish_reason", responses["finish_reason"].to_numpy())
    found.insert(0, "category", categories.loc[responses["id"]].to_numpy())
    return found.loc[[name for name in instructions["id"] if name in found.index]].rename_axis("id").reset_index()


def beyond(responses: pd.DataFrame, tokenizer: PreTrainedTokenizerBase | None) -> Iterator[str | None]:
    """What was decoded after each answer's end: "" but for a stop rule, None where that cannot be read any more."""
    thought = responses.get("thinking_tokens", pd.Series(0, index=responses.index))
    columns = (responses[name] for name in ("text", "token_ids", "finish_reason"))
    for text, ids, reason, count in zip(*columns, thought, strict=True):
        if reason != STOP:
            yield ""
            continue
        decoded = str(tokenizer.decode(list(ids[count:]))) if tokenizer is not None and len(ids) else ""
        decoded = decoded.lstrip() if count else decoded  # as the text behind the thinking begins
        # A server's answer may have been tokenized again: then nothing is known of what its model wrote at the end.
        yield decoded[len(text) :] if len(decoded) > len(text) and decoded.startswith(text) else None
