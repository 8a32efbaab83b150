"""A folder of results, and its tables as data frames."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.artifacts.table import read_table
from superficial.config.validation import nearest
from superficial.results.columns import Table, tables
from superficial.shift.category import CATEGORIES

KEY = re.compile(r"\{(\w+)\}")
ONE = ("dataset", "context")  # rows of several of these are about the same tokens: never mixed unless asked for
Asked = str | Sequence[str] | None


class Results:
    """The tables of one folder. Each method has the keys of its tables as arguments: a name, or a list of names.

    What is not asked for is that of the last run of `figures/all`, as `manifest.json` has it, and else all that is
    there; only dataset and context must be one. The keys are the first columns of every frame. A UserError says in one
    line what is there instead. `docs/data.md` describes every column.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def instructions(self, *, dataset: Asked = None) -> pd.DataFrame:
        """A row for each instruction: id, instruction, category, subset, tasks, topics, turns."""
        return self.table("instructions", dataset=dataset)

    def responses(self, *, dataset: Asked = None, model: Asked = None, method: Asked = None) -> pd.DataFrame:
        """A row for each answer: id, text, token_ids, finish_reason and others. Aligned models answer by `aligned`."""
        return self.table("responses", dataset=dataset, model=model, method=method)

    def tokens(self, *, dataset: Asked = None, pair: Asked = None, context: Asked = None) -> pd.DataFrame:
        """A row for each response token: ranks and probabilities under both models, KL in nats, category."""
        return self.table("tokens", dataset=dataset, pair=pair, context=context)

    def ratios(self, *, dataset: Asked = None, pair: Asked = None, context: Asked = None) -> pd.DataFrame:
        """Shares of unshifted, marginal and shifted tokens (0 to 1) with their intervals, pooled and by example."""
        return self.table("ratios", dataset=dataset, pair=pair, context=context)

    def stats(self, name: str, *, dataset: Asked = None, pair: Asked = None, context: Asked = None) -> pd.DataFrame:
        """A table of statistics of tokens by its name: positions, tokens, kinds, groups, recovery and others."""
        known = [one.partition("/")[2] for one in tables() if one.startswith("stats/")]
        if name not in known:
            raise UserError(f"no statistics named {name!r}", where="stats", remedy=nearest(name, known, "names"))
        return self.table(f"stats/{name}", dataset=dataset, pair=pair, context=context)

    def judgments(
        self, *, dataset: Asked = None, judge: Asked = None, model: Asked = None, method: Asked = None
    ) -> pd.DataFrame:
        """A row for each answer and aspect: score 1 to 5, or why it is unscored, with reason and raw text."""
        return self.table("judgments", dataset=dataset, judge=judge, model=model, method=method)

    def scores(self, *, dataset: Asked = None, judge: Asked = None) -> pd.DataFrame:
        """A row for each system, group and aspect: mean score and interval, and how many were unscored."""
        return self.table("scores", dataset=dataset, judge=judge)

    def table(self, name: str, **asked: Asked) -> pd.DataFrame:
        """Any table by its name in docs/data.md; `asked` are keys of its path."""
        declared = tables().get(name)
        if declared is None:
            raise UserError(f"no table named {name!r}", where="results", remedy=nearest(name, [*tables()], "names"))
        there = self._chosen(name, pd.DataFrame(self._files(declared)), asked)
        parts = []
        for keys in there.to_dict("records"):
            part = typed(read_table(keys.pop("file")), declared)
            for at, key in enumerate(key for key in keys if key not in part):  # scores name their judge themselves
                part.insert(at, str(key), keys[key])
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def there(self, name: str) -> pd.DataFrame:
        """Which tables of a name are there: a row of keys for each."""
        return pd.DataFrame(self._files(tables()[name])).drop(columns="file", errors="ignore")

    def _files(self, declared: Table) -> Iterator[dict[str, Any]]:
        """Keys and file of each table that is there."""
        pattern = _pattern(declared.path)
        for file in sorted(self.folder.glob(KEY.sub("*", declared.path))):
            name = file.relative_to(self.folder).as_posix()
            if (found := pattern.fullmatch(name)) and declaration_of(name) is declared:
                yield {**found.groupdict(), "file": file}

    def _chosen(self, name: str, there: pd.DataFrame, asked: dict[str, Asked]) -> pd.DataFrame:
        """The rows of `there` that are asked for."""
        if there.empty:
            raise UserError(f"no {name} there", where=str(self.folder), remedy="make them: snakemake figures/all")
        last = self._last_run()
        for key in asked.keys() - set(there.columns):
            raise UserError(f"{name} has no key {key!r}", where="results", remedy=f"keys: {', '.join(there)[:-6]}")
        for key in (one for one in there if one != "file"):
            names, wanted = sorted(set(there[key])), asked.get(key)
            if wanted is not None:
                chosen = [wanted] if isinstance(wanted, str) else list(wanted)
                for one in chosen:
                    if one not in names:
                        raise UserError(f"no {key} {one!r}", where=name, remedy=f"there: {', '.join(names)}")
            else:
                chosen = [one for one in last.get(key, []) if one in names] or names
                if key in ONE and len(chosen) > 1:
                    raise UserError(
                        f"several: {', '.join(chosen)}", where=f"{name}, {key}", remedy=f"{key}={names[0]!r}"
                    )
            there = there[there[key].isin(chosen)]
        return there

    def _last_run(self) -> dict[str, list[str]]:
        """Dataset, context and pairs of the last run of `figures/all`; nothing where there was none."""
        file = self.folder / "manifest.json"
        artifacts = json.loads(file.read_text(encoding="utf-8"))["artifacts"] if file.is_file() else {}
        for made in artifacts.values():
            cfg = made.get("config")
            if isinstance(cfg, dict) and {"dataset", "context", "pairs"} <= cfg.keys():
                pairs = [pair["name"] for pair in cfg["pairs"]]
                return {"dataset": [cfg["dataset"]], "context": [cfg["context"]], "pair": pairs}
        return {}


def declaration_of(path: str) -> Table | None:
    """The table that a file below the folder is: of all paths that fit, the one with fewest keys and most text."""
    fitting = [one for one in tables().values() if _pattern(one.path).fullmatch(path)]
    return max(fitting, key=lambda one: (-len(KEY.findall(one.path)), len(one.path)), default=None)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    parts = KEY.split(path)  # text and keys by turns
    return re.compile("".join(f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))


def typed(table: pd.DataFrame, declared: Table) -> pd.DataFrame:
    """`table` with text as text, though a column may be empty, and categories in their order."""
    for name, (kind, _) in declared.columns.items():
        if name in table and kind == "category":
            table[name] = pd.Categorical(table[name], CATEGORIES, ordered=True)
        elif name in table and kind == "text":
            table[name] = table[name].astype("str")
    return table


def open(folder: Path | str = "results") -> Results:
    """The results in a folder; a UserError where there are none."""
    path = Path(folder)
    if not (path / "data").is_dir():
        raise UserError("no results there", where=str(path), remedy="name a folder that a run has made: results")
    return Results(path)
