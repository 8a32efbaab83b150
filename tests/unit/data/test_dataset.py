"""Instructions from any format: the same rows give the same instructions, and mistakes name file and row."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from superficial.artifacts.errors import UserError
from superficial.config.schema import DatasetConfig, DatasetHub, RuntimeConfig
from superficial.data import hub, stage
from superficial.data.dialogue import answered_queries
from superficial.data.hub import content_digest
from superficial.data.readers import read_instructions
from superficial.judging.judges.pairwise import both_orders
from superficial.judging.judges.stage import score_items
from superficial.models.hub import Snapshot

RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=1, position_chunk=1)
ROWS: list[dict[str, Any]] = [
    {"id": "a", "instruction": "Why, oh\nwhy? \u2028 {x} \"q\" é 🙂", "category": "regular", "subset": "s",
     "tasks": ["info-seek", "math"], "topics": ["stem"]},
    {"id": "7", "instruction": "How?", "category": "safety", "subset": "", "tasks": [], "topics": []},
]  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]], encoding: str = "utf-8") -> Path:
    """`rows` in the format of the suffix; in CSV lists are joined with semicolons."""
    if path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding=encoding) as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(
                [
                    {key: ";".join(value) if isinstance(value, list) else value for key, value in row.items()}
                    for row in rows
                ]
            )
    else:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        text = "".join(f"{line}\n" for line in lines) if path.suffix == ".jsonl" else f"[{','.join(lines)}]"
        path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet", ".CSV"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_format_gives_the_same_instructions(tmp_path: Path, suffix: str, encoding: str):
    path = write(tmp_path / f"data{suffix.lower()}", ROWS, encoding)
    records = read_instructions(path.rename(path.with_suffix(suffix)))
    assert [record.model_dump() for record in records] == [row | {"turns": []} for row in ROWS]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_an_instruction_is_all_that_is_needed(tmp_path: Path, suffix: str):
    records = read_instructions(write(tmp_path / f"data{suffix}", [{"instruction": "One?"}, {"instruction": "Two?"}]))
    assert [record.id for record in records] == ["1", "2"]
    assert {(record.category, record.subset, tuple(record.tasks), tuple(record.topics)) for record in records} == {
        ("regular", "", (), ())
    }


def test_the_published_format_maps_onto_ours(tmp_path: Path):
    row = {"id": 850, "instruction": "How?", "source_id": "red_team-50", "dataset": "hh-rlhf", "category": "safety",
           "task": None, "topic": None, "difficulty": None}  # fmt: skip
    flagged = {"id": 1, "instruction": "Why?", "task": ["Role Play"], "topic": ["STEM", "malicious", "stem"]}
    first, second = read_instructions(write(tmp_path / "just.json", [row, flagged]))
    assert first.model_dump() == {
        "id": "850", "instruction": "How?", "category": "safety", "subset": "hh-rlhf", "tasks": [], "topics": [], "turns": [],
    }  # fmt: skip
    assert (second.tasks, second.topics) == (["role-play"], ["stem"])


def test_turns_are_kept(tmp_path: Path):
    rows = [
        {"turns": ["One?", "Two?"]},
        {"instruction": "A?", "turns": ["A?"]},
        {"instruction": "B?", "turns": ["B?", "C?"]},
    ]
    records = read_instructions(write(tmp_path / "data.jsonl", rows))
    assert [record.instruction for record in records] == ["One?", "A?", "B?"]
    assert [record.turns for record in records] == [["One?", "Two?"], [], ["B?", "C?"]]
    path = tmp_path / "data.csv"
    path.write_text('instruction,turns\nA?,"[""A?"", ""B?""]"\n')
    assert read_instructions(path)[0].turns == ["A?", "B?"]


def test_a_response_answers_the_last_query_and_a_judge_is_told_of_those_before():
    rows = {"id": ["a", "b"], "instruction": ["One?", "Two?"], "turns": [[], ["Two?", "And so?"]]}
    data = pd.DataFrame(rows).assign(category="regular")
    assert answered_queries(data).to_dict() == {"a": "One?", "b": "And so?"}
    items = score_items(data, {"a": "x", "b": "y"})
    (one, two) = (item.slots["instruction"] for item in items)
    assert one == "One?"
    assert two.index("Two?") < two.index("Now the user asks:\n\nAnd so?")
    pairs = both_orders(data, {"a": "x", "b": "y"}, {"a": "v", "b": "w"})
    assert {item.slots["instruction"] for item in pairs.values()} == {one, two}


GOOD = '{"instruction": "a"}\n'
BAD = {
    "no JSON": ("x.jsonl", f"{GOOD}{{oops", ["x.jsonl, line 2", "no JSON"]),
    "JSON that is no object": ("x.jsonl", f"{GOOD}\n[1]", ["x.jsonl, line 3", "list is no JSON object"]),
    "no list": ("x.json", '{"data": []}', ["x.json", "a JSON dict, not a list"]),
    "broken JSON": ("x.json", '[\n{"instruction": "a"},\n]', ["x.json, line 3", "no JSON"]),
    "a number for a text": ("x.jsonl", f'{GOOD}{{"instruction": 5}}', ["line 2, key instruction", "5 is no text"]),
    "no instruction": ("x.jsonl", f'{GOOD}{{"id": "b"}}', ["line 2, key instruction", "no text"]),
    "blanks": ("x.jsonl", f'{GOOD}{{"instruction": " \\n"}}', ["line 2, key instruction", "empty text"]),
    "half a character": ("x.jsonl", f'{GOOD}{{"instruction": "a\\ud83d"}}', ["line 2", "lone surrogate (U+D83D)"]),
    "half a character in an id": ("x.jsonl", '{"id": "\\udc00", "instruction": "a"}', ["line 1, key id", "U+DC00"]),
    "NUL": ("x.jsonl", f'{GOOD}{{"instruction": "a\\u0000b"}}', ["line 2, key instruction", "NUL"]),
    "an unknown task": ("x.jsonl", '{"instruction": "a", "tasks": ["maths"]}', ["line 1, key tasks", "did you mean math?"]),
    "an unknown topic": ("x.csv", "instruction,topics\na,stem;art\n", ["x.csv, row 1, key topics", "'art'"]),
    "an unknown category": ("x.csv", "instruction,category\na,harmful\n", ["row 1, key category", "regular or safety"]),
    "a misspelt key": ("x.jsonl", '{"instruction": "a", "catgory": "safety"}', ["line 1", "'catgory'", "mean category?"]),
    "the same id, as text and number": (
        "x.jsonl", '{"id": 7, "instruction": "a"}\n{"id": "7", "instruction": "b"}', ["line 2, key id", "'7'", "line 1"],
    ),
    "an id that is no id": ("x.jsonl", '{"id": [1], "instruction": "a"}', ["line 1, key id", "is no id"]),
    "fields too many": ("x.csv", "instruction\nWhy, oh why?\n", ["x.csv, row 1", "1 fields more than the header"]),
    "an open quote": ("x.csv", 'id,instruction\n1,a\n2,"b\n', ["x.csv, row 2", "no CSV"]),
    "turns that differ": ("x.jsonl", '{"instruction": "a", "turns": ["b", "c"]}', ["line 1, key turns"]),
    "an empty turn": ("x.jsonl", '{"instruction": "a", "turns": ["a", ""]}', ["line 1, key turns", "empty text"]),
    "nothing": ("x.jsonl", "\n\n", ["x.jsonl", "the dataset is empty"]),
    "an unknown format": ("x.txt", "a", ["x.txt", "'.txt'", ".jsonl"]),
    "no Parquet": ("x.parquet", "PAR0", ["x.parquet", "no Parquet"]),
    "nested without end": ("x.json", "[" * 200_000, ["x.json"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.fault("instructions", BAD, "one line that names file and row; exit code 2")
def test_a_mistake_is_one_line_that_names_file_and_row(tmp_path: Path, case: str):
    name, text, words = BAD[case]
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as error:
        read_instructions(tmp_path / name)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.fault("instructions", "the file is in another encoding", "one line that names line and byte; exit code 2")
def test_another_encoding_is_named_with_its_line(tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_bytes("instruction\nWhy?\nÄh?\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"x\.csv, line 3: not UTF-8 \(byte 0xc4\)"):
        read_instructions(path)


def test_the_stage_takes_the_first_and_repeats_itself(tmp_path: Path):
    path = write(tmp_path / "data.jsonl", [{"instruction": f"{index}?"} for index in range(5)])
    cfg = DatasetConfig(name="x", path=str(path), limit=3)
    for name in ("one.parquet", "two.parquet"):
        stage.run(cfg, RUNTIME, source=path, out=tmp_path / name)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    found = pd.read_parquet(tmp_path / "one.parquet")
    assert found["instruction"].tolist() == ["0?", "1?", "2?"]
    assert [list(value) for value in found["tasks"]] == [list(value) for value in found["turns"]] == [[], [], []]


@pytest.mark.fault(
    "instructions", "a dataset of the hub has changed under its revision", "one line with both digests; exit code 2"
)
def test_instructions_of_the_hub_are_checked_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = write(tmp_path / "data.parquet", ROWS)
    asked: list[tuple[str, str]] = []

    def snapshot(repository: str, revision: str, *, kind: str, patterns: list[str]) -> Snapshot:
        asked.append((repository, revision))
        (tmp_path / patterns[0]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / patterns[0])
        return Snapshot(tmp_path, revision, {})

    monkeypatch.setattr(hub, "snapshot", snapshot)
    for content, fits in ((content_digest(read_instructions(source)), True), (None, True), ("0" * 64, False)):
        place = DatasetHub(repo="org/data", revision="main", file="default/test/0.parquet", content=content)
        out = tmp_path / f"{content}.parquet"
        if fits:
            stage.run(DatasetConfig(name="x", hub=place), RUNTIME, source=[], out=out)
            assert pd.read_parquet(out)["id"].tolist() == ["a", "7"]
        else:
            with pytest.raises(UserError, match=r"org/data.*digest.*dataset\.hub\.content=null"):
                stage.run(DatasetConfig(name="x", hub=place), RUNTIME, source=[], out=out)
            assert not out.exists()
    assert asked == [("org/data", "main")] * 3


def test_the_digest_is_that_of_the_content(tmp_path: Path):
    digests = {content_digest(read_instructions(write(tmp_path / f"x{suffix}", ROWS))) for suffix in (".json", ".csv")}
    other = [ROWS[0], ROWS[1] | {"instruction": "how?"}]
    assert len(digests) == 1
    assert content_digest(read_instructions(write(tmp_path / "y.json", other))) not in digests


def test_a_dataset_comes_from_somewhere():
    with pytest.raises(ValueError, match="path or hub"):
        DatasetConfig(name="x")
