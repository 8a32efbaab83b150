"""Where the examples of a pair come from: token tables, responses, judgments, instructions, and both tokenizers."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from superficial.artifacts.errors import UserError
from superficial.artifacts.table import parquet_file, read_table
from superficial.config.schema import BrowserStage, ComparedPair
from superficial.data.dialogue import history, queries_of
from superficial.models.load import load_tokenizer
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.files import prompt_files
from superficial.shift.statistics.token_table import TokenTable
from superficial.views.browser.payload import BrowserExample, FurtherContext
from superficial.views.judgment import ShownJudgment, judgments_by_aspect

DATA = ["id", "instruction", "turns", "category", "subset", "tasks", "topics"]
ANSWER = ["id", "token_ids", "prompt_ids", "text", "finish_reason", "earlier_answers"]
BATCH, FEW = 2**12, 64  # rows of a token table, and responses, that are read at a time
SAME = ("example_id", "token_id")  # columns in which the token tables of two contexts agree
BASE = (  # of a further context: the aligned side is that of the base's own context
    "base_rank", "base_prob", "base_entropy", "kl_aligned_base", "category", "base_top_ids", "base_top_probs",
    "base_top_tokens",
)  # fmt: skip


class PairExamples:
    """The examples of one pair in the order of its token table, read and built one at a time."""

    def __init__(self, cfg: BrowserStage, pair: ComparedPair, results: Path) -> None:
        data = read_table(results / "data" / f"{cfg.dataset}.parquet", DATA)
        self._queries, self._data = queries_of(data), data.set_index("id")
        self._answers = answers_of(cfg, pair, results / "responses" / cfg.dataset)
        self._tables = [token_table(cfg, pair, context.name, results) for context in cfg.contexts]
        first = TokenTable.open(self._tables[0])
        self.ids, self._lengths = first.ids, first.lengths.tolist()
        manifests = (results / "models" / side.name / "manifest.json" for side in (pair.base, pair.aligned))
        base, self._aligned = map(load_tokenizer, manifests)
        self._prompts = []
        for context in cfg.contexts:
            files = map(Path, prompt_files(context.prompt, cfg.dataset, context.name, results))
            self._prompts.append(PromptBuilder(context.prompt, base, list(files), model=pair.base.name))
        self._judgments = Judgments(cfg, pair, results)

    def __iter__(self) -> Iterator[BrowserExample]:
        reference, *others = self._tables
        tables = [by_example(reference, None, self._lengths)]
        for file in others:
            _check(pq.read_metadata(file).num_rows == sum(self._lengths), file)
            tables.append(by_example(file, [*SAME, *BASE], self._lengths))
        thinks = "thinking_tokens" in pq.read_schema(self._answers).names
        columns = [*ANSWER, *(["thinking_tokens"] if thinks else [])]
        answers = (row for row in _rows(self._answers, columns) if len(row["token_ids"]))
        for *found, answer in zip(*tables, answers, strict=True):
            for other, file in zip(found[1:], others, strict=True):
                _check(all(other[name].equals(found[0][name]) for name in SAME), file)
            rows, *further = map(as_lists, found)
            yield self._example(rows, further, answer)

    def _example(
        self, rows: dict[str, list[Any]], further: list[dict[str, list[Any]]], answer: dict[str, Any]
    ) -> BrowserExample:
        name = rows["example_id"][0]
        entry, (*earlier, query) = self._data.loc[name], self._queries[name]
        before = history(earlier, answer["earlier_answers"])
        base, *others = (prompts.build(query, example=name, history=before).text for prompts in self._prompts)
        return BrowserExample(
            id=name,
            instruction=query,
            category=entry["category"],
            subset=entry["subset"],
            tasks=list(entry["tasks"]),
            topics=list(entry["topics"]),
            text=answer["text"],
            finish_reason=answer["finish_reason"],
            contexts={"base": base, "aligned": str(self._aligned.decode(answer["prompt_ids"]))},
            rows=rows,
            further=[FurtherContext(prompt, found) for prompt, found in zip(others, further, strict=True)],
            judgments=self._judgments.of(name),
            thinking=answer.get("thinking_tokens", 0),
        )


def token_table(cfg: BrowserStage, pair: ComparedPair, context: str, results: Path) -> Path:
    """The token table of the pair with its base in a context."""
    return results / "shifts" / cfg.dataset / pair.name / f"{context}.parquet"


def answers_of(cfg: BrowserStage, pair: ComparedPair, folder: Path) -> Path:
    """What belongs to the responses of the pair's aligned model, below a folder."""
    return folder / pair.aligned.name / f"{cfg.response}.parquet"


def by_example(path: Path, columns: list[str] | None, lengths: Iterable[int]) -> Iterator[pa.Table]:
    """The rows of each example in turn, which has so many; a small part of the table is in memory at a time."""
    batches = parquet_file(path).iter_batches(BATCH, columns=columns)
    held = pa.Table.from_batches([next(batches)])
    for length in lengths:
        while len(held) < length and (batch := next(batches, None)):
            held = pa.concat_tables([held, pa.Table.from_batches([batch])])
        yield held.slice(0, length)
        held = held.slice(length)


def as_lists(table: pa.Table) -> dict[str, list[Any]]:
    """The columns as `to_pydict` gives them, those of lists in a fourth of the time."""
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_list(column.type):
            whole = column.combine_chunks()
            values, ends = whole.flatten().to_pylist(), np.cumsum(whole.value_lengths()).tolist()
            found[name] = [values[start:stop] for start, stop in pairwise([0, *ends])]
        else:
            found[name] = column.to_pylist()
    return found


def _rows(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in parquet_file(path).iter_batches(FEW, columns=columns):
        yield from batch.to_pylist()


def _check(same: bool, path: Path) -> None:
    """The rows of a further context must be those of the base's own."""
    if not same:
        raise UserError(
            "it is about other responses than the base's own context", where=str(path),
            remedy="delete it and run the same command again",
        )  # fmt: skip


class Judgments:
    """What the judge said of each response; nothing where no judge was asked."""

    def __init__(self, cfg: BrowserStage, pair: ComparedPair, results: Path) -> None:
        self._rows: dict[str, Any] = {}
        if cfg.judge is not None:
            folder = results / "judgments" / cfg.dataset / cfg.judge.name
            self._table = read_table(answers_of(cfg, pair, folder))
            self._rows = self._table.groupby("id", sort=False).indices

    def of(self, name: str) -> dict[str, ShownJudgment]:
        """By aspect, of the response with this id."""
        return judgments_by_aspect(self._table.iloc[self._rows[name]]) if name in self._rows else {}
