"""Where the examples of a pair come from: token tables, responses, judgments, instructions, and both tokenizers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from superficial.artifacts.errors import UserError
from superficial.artifacts.table import read_table
from superficial.config.schema import BrowserStage, ComparedPair
from superficial.data.dialogue import last_turns
from superficial.models.load import load_tokenizer
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.files import prompt_files
from superficial.views.browser.payload import BrowserExample, FurtherContext
from superficial.views.judgment import ShownJudgment, judgments_by_aspect

SAME = ("example_id", "token_id")  # columns in which the token tables of two contexts agree
BASE = (  # of a further context: the aligned side is that of the base's own context
    "base_rank", "base_prob", "base_entropy", "kl_aligned_base", "category", "base_top_ids", "base_top_probs",
    "base_top_tokens",
)  # fmt: skip


class PairExamples:
    """The examples of one pair in the order of its token table, built one at a time."""

    def __init__(self, cfg: BrowserStage, pair: ComparedPair, results: Path) -> None:
        data = read_table(results / "data" / f"{cfg.dataset}.parquet")
        answers = read_table(answers_of(cfg, pair, results / "responses" / cfg.dataset))
        self._turns = last_turns(data, answers)
        self._data, self._answers = data.set_index("id"), answers.set_index("id")
        # Columns stay in Arrow, and an example's rows become Python values only when it is its turn: as a data frame
        # the candidates of 300,000 tokens are millions of objects at once.
        first, *others = (token_table(cfg, pair, context.name, results) for context in cfg.contexts)
        self._table = pq.read_table(first)
        self._further = [_same_tokens(self._table, other) for other in others]
        ids = self._table["example_id"].to_numpy()
        self._bounds = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
        self.ids: list[str] = ids[self._bounds[:-1]].tolist()
        manifests = (results / "models" / side.name / "manifest.json" for side in (pair.base, pair.aligned))
        base, self._aligned = map(load_tokenizer, manifests)
        self._prompts = []
        for context in cfg.contexts:
            files = map(Path, prompt_files(context.prompt, cfg.dataset, context.name, results))
            self._prompts.append(PromptBuilder(context.prompt, base, list(files), model=pair.base.name))
        self._judgments = _judgments(cfg, pair, results)

    def __iter__(self) -> Iterator[BrowserExample]:
        for start, end in zip(self._bounds[:-1], self._bounds[1:], strict=True):
            found = [table.slice(start, end - start).to_pydict() for table in (self._table, *self._further)]
            yield self._example(found[0], found[1:])

    def _example(self, rows: dict[str, list[Any]], further: list[dict[str, list[Any]]]) -> BrowserExample:
        name = rows["example_id"][0]
        entry, answer = self._data.loc[name], self._answers.loc[name]
        query, before = self._turns[name]
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
            contexts={"base": base, "aligned": str(self._aligned.decode(answer["prompt_ids"].tolist()))},
            rows=rows,
            further=[FurtherContext(prompt, found) for prompt, found in zip(others, further, strict=True)],
            judgments=self._judgments.get(name, {}),
        )


def token_table(cfg: BrowserStage, pair: ComparedPair, context: str, results: Path) -> Path:
    """The token table of the pair with its base in a context."""
    return results / "shifts" / cfg.dataset / pair.name / f"{context}.parquet"


def answers_of(cfg: BrowserStage, pair: ComparedPair, folder: Path) -> Path:
    """What belongs to the responses of the pair's aligned model, below a folder."""
    return folder / pair.aligned.name / f"{cfg.response}.parquet"


def _same_tokens(reference: pa.Table, path: Path) -> pa.Table:
    """The base's side of the table in `path`, whose rows must be those of `reference`."""
    found = pq.read_table(path, columns=[*SAME, *BASE])
    if not all(found[name].equals(reference[name]) for name in SAME):
        raise UserError(
            "it is about other responses than the base's own context", where=str(path),
            remedy="delete it and run the same command again",
        )  # fmt: skip
    return found.select(BASE)


def _judgments(cfg: BrowserStage, pair: ComparedPair, results: Path) -> dict[str, dict[str, ShownJudgment]]:
    """What the judge said of each response, by its id and aspect; nothing where no judge was asked."""
    if cfg.judge is None:
        return {}
    table = read_table(answers_of(cfg, pair, results / "judgments" / cfg.dataset / cfg.judge.name))
    return {str(name): judgments_by_aspect(rows) for name, rows in table.groupby("id", sort=False)}
