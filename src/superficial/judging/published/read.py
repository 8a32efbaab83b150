"""Published outputs and judgments, joined by id with the instructions; every error names file and row."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.data.readers import read_json_list
from superficial.judging.judges.aspects import ASPECTS
from superficial.judging.judges.parse import Verdict, parse_scores
from superficial.judging.published.file_names import judged_by, published_files, system_of_output
from superficial.models.thinking import split_published

NOT_JUDGED = "not judged"
JUDGMENT = ("system", "judge", "id", "category", "aspect", "score", "reason", "unscored", "raw")


@dataclass(frozen=True)
class Published:
    """`responses` of `read_outputs`; `judgments`: the columns of JUDGMENT, one row for each instruction and aspect."""

    responses: pd.DataFrame
    judgments: pd.DataFrame


def read_published(folder: Path, data: pd.DataFrame, *, partly: bool = False) -> Published:
    """Read everything that was published there about the instructions of `data` (id, instruction, category).

    `partly`: what was published about other instructions is left out; else it is an error.
    """
    files = published_files(folder)
    if not files:
        raise UserError(
            "neither outputs/*.json nor judgments/**/*.json is there",
            where=f"{folder}, key published_dir",
            remedy="name a folder laid out as the published repository",
        )
    outputs = [path for path in files if path.parent == folder / "outputs"]
    found = read_outputs(outputs, data, partly=partly)
    systems = list(dict.fromkeys(found["system"]))
    return Published(found, _judgments(folder / "judgments", files[len(outputs) :], systems, data, partly))


def _rows(path: Path, data: pd.DataFrame, text_key: str, partly: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Place, id and content of every row of `path`, ids checked against the instructions."""
    texts: Mapping[str, str] = dict(zip(data["id"], data["instruction"], strict=True))
    seen: dict[str, int] = {}
    rows = read_json_list(path)
    strangers = 0
    for number, row in enumerate(rows, start=1):
        where = f"{path}, row {number}"
        if not isinstance(row, dict):
            raise UserError(f"{type(row).__name__} is no JSON object", where=where, remedy="a list of objects")
        value = row.get("id")
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise UserError(f"no id (it is {value!r})", where=where, remedy="every row needs the id of its instruction")
        name = str(value)
        if name not in texts:
            if partly:
                continue
            remedy = "give the dataset that was answered: dataset.path=FILE"
            raise UserError(f"id {name!r} is not in the dataset", where=f"{where}, key id", remedy=remedy)
        if name in seen:
            raise UserError(
                f"duplicate id {name!r} (first in row {seen[name]})", where=f"{where}, key id",
                remedy="keep one of the rows",
            )  # fmt: skip
        seen[name] = number
        strangers += str(row.get(text_key, texts[name])).split() != texts[name].split()
        yield where, name, row
    # Texts were tidied between releases here and there; a file about other instructions differs nearly everywhere.
    if 2 * strangers > len(seen):
        raise UserError(
            f"{strangers} of {len(seen)} instructions are others than those of the dataset with the same ids",
            where=str(path), remedy="give the dataset that was answered: dataset.path=FILE",
        )  # fmt: skip


def read_outputs(paths: Sequence[Path], data: pd.DataFrame, *, partly: bool = False) -> pd.DataFrame:
    """Published responses to the instructions of `data`, from files of outputs/: system, id, text.

    Where some of them think, `text` is the answer alone, and the column thinking holds the rest (null: none).
    """
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for path in paths:
        system = system_of_output(path)
        for where, name, row in _rows(path, data, "instruction", partly):
            text = row.get("output")
            if not isinstance(text, str):
                raise UserError(f"no output (it is {text!r})", where=where, remedy="the response as text")
            first = found.setdefault((system, name), (text, where))
            if first[0] != text:
                raise UserError(f"another output for id {name!r} than in {first[1]}", where=where, remedy="keep one")
    rows = [(system, name, *split_published(text)) for (system, name), (text, _) in found.items()]
    table = pd.DataFrame(rows, columns=["system", "id", "thinking", "text"])
    return table[["system", "id", "text", *(["thinking"] if table["thinking"].notna().any() else [])]]


def _judgments(
    folder: Path, paths: Sequence[Path], systems: Sequence[str], data: pd.DataFrame, partly: bool
) -> pd.DataFrame:
    category: Mapping[str, str] = dict(zip(data["id"], data["category"], strict=True))
    # (system, judge) -> (id, aspect) -> the verdict, the judge's own text, and where it stands.
    found: dict[tuple[str, str], dict[tuple[str, str], tuple[Verdict, str, str]]] = {}
    for path in paths:
        system, judge = judged_by(path.relative_to(folder), systems)
        for where, name, row in _rows(path, data, "input", partly):
            named = judge or _judge_of(row, where)
            answers = found.setdefault((system, named), {})
            raw = row.get("result")
            raw = raw if isinstance(raw, str) else ""
            for aspect, one in _verdicts(row, raw, category[name]).items():
                first = answers.setdefault((name, aspect), (one, raw, where))
                # The repository holds whole files beside the ranges that they were joined from.
                if (str(first[0]), first[1]) != (str(one), raw):
                    what = f"another judgment of id {name!r} by {named} than in {first[2]}"
                    raise UserError(what, where=where, remedy="keep one of them")
    rows = [row for key, answers in found.items() for row in _filled(key, answers, category)]
    return pd.DataFrame(rows, columns=list(JUDGMENT)).astype({"score": "float64"})


def _judge_of(row: Mapping[str, Any], where: str) -> str:
    config = row.get("eval_config")
    judge = config.get("gpt") if isinstance(config, dict) else None
    if not isinstance(judge, str) or not judge:
        raise UserError(
            "nothing names the judge", where=where, remedy="name the file {system}.score_multi.{judge}.json"
        )
    return judge


def _verdicts(row: Mapping[str, Any], raw: str, category: str) -> dict[str, Verdict]:
    """Verdicts on the aspects that instructions of this category are scored on; none if only others were asked for."""
    parsed = row.get("parsed_result")
    config = row.get("eval_config")
    mode = config.get("mode") if isinstance(config, dict) else None
    if mode in ("score_multi", "score_safety") and (mode == "score_safety") != (category == "safety"):
        return {}
    found = parse_scores(json.dumps(parsed) if isinstance(parsed, dict) and parsed else raw, ASPECTS[category])
    others = [aspect for name in ASPECTS if name != category for aspect in ASPECTS[name]]
    if isinstance(parsed, dict) and set(map(str, parsed)) & set(others) and not set(map(str, parsed)) & set(found):
        return {}
    return found


def _filled(
    key: tuple[str, str], answers: Mapping[tuple[str, str], tuple[Verdict, str, str]], category: Mapping[str, str]
) -> Iterator[tuple[object, ...]]:
    """Rows in the order of the dataset; what lacks a judgment in a category that was judged is unscored."""
    judged = {category[name] for name, _ in answers}
    nothing = (Verdict(nan, "", NOT_JUDGED), "", "")
    for name, kind in category.items():
        if kind in judged:
            for aspect in ASPECTS[kind]:
                one, raw, _ = answers.get((name, aspect), nothing)
                yield (*key, name, kind, aspect, one.score, one.reason, one.unscored, raw)
