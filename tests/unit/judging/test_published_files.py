"""Published outputs and judgments: the paper's numbers from its authors' own files, and files that are not as they should be."""

import json
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from superficial.artifacts.errors import UserError
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import ExportStage, JudgeTitle, PublishedTable, RuntimeConfig
from superficial.data.readers import read_instructions
from superficial.judging.judges.aspects import ASPECTS
from superficial.judging.published import export
from superficial.judging.published.file_names import published_files
from superficial.judging.published.read import Published, read_published
from superficial.judging.scores.statistics import count_na, score_table
from superficial.views.figures.dataset_stats import shares
from superficial.views.tables.published_scores import markdown, published_scores

FOLDER = Path(__file__).resolve().parents[4] / "shared/published"
there = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/published is not here")
JUDGE = JudgeTitle(name="published", title="as published", caveat="")
CFG = PublishedTable(resamples=200, confidence=0.95, seed=0, na_as_five=False, judge=JUDGE)
RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=1, position_chunk=1)
GENERAL, CHATGPT = "some.model-v1.5", "gpt-3.5-turbo"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return pd.DataFrame([one.model_dump() for one in read_instructions(FOLDER / "just_eval_instruct.json")])


@pytest.fixture(scope="module")
def published(data: pd.DataFrame) -> Published:
    return read_published(FOLDER, data)


def means(found: Published, data: pd.DataFrame, *, as_five: bool) -> dict[tuple[str, str, str], dict[str, Any]]:
    table = published_scores(count_na(found.judgments, as_five=as_five), found.responses, data, CFG)
    return {(row["system"], row["judge"], row["aspect"]): row for row in table.to_dict("records")}


@there
def test_words_and_safety_are_the_published_ones(published: Published, data: pd.DataFrame):
    found = means(published, data, as_five=False)
    mistral, turbo = "Mistral-7B-Instruct-v0.1", "gpt-3.5-turbo-0301"
    assert round(found[mistral, "", "words"]["mean"], 1) == 155.4
    assert round(found[turbo, "", "words"]["mean"], 1) == 154.0
    assert found[turbo, "", "words"]["n"] == 800
    safety = found[mistral, "chatgpt", "safety"]
    assert (safety["mean"], safety["n"], safety["unscored"]) == (pytest.approx(4.745), 200, 0)
    assert safety["ci_low"] < 4.745 < safety["ci_high"]


@there
def test_na_as_five_gives_the_published_means_and_ours_stand_beside(published: Published, data: pd.DataFrame):
    expected = {"helpfulness": 4.606, "clarity": 4.907, "factuality": 4.566, "depth": 3.417, "engagement": 3.460}
    theirs, ours = (means(published, data, as_five=five) for five in (True, False))
    for aspect, mean in expected.items():
        key = ("gpt-3.5-turbo-0301", "gpt-4-turbo", aspect)
        assert theirs[key]["mean"] == pytest.approx(mean, abs=0.0006)
        assert (theirs[key]["n"], theirs[key]["unscored"]) == (800, 0)
        assert ours[key]["n"] + ours[key]["unscored"] == 800
        assert (ours[key]["mean"] < theirs[key]["mean"]) == (ours[key]["unscored"] > 0)
    assert ours["gpt-3.5-turbo-0301", "gpt-4-turbo", "factuality"]["unscored"] == 39
    tables = [
        published_scores(count_na(published.judgments, as_five=five), published.responses, data, CFG)
        for five in (False, True)
    ]
    row = next(line for line in markdown(*tables, CFG).splitlines() if "factuality" in line)
    assert "4.544 [" in row
    assert "4.566 [" in row


@there
def test_shares_are_those_of_figure_6(data: pd.DataFrame):
    found = shares(data).set_index(["grouping", "group"])["percent"].round(2)
    assert found["task", "info-seek"] == 37.58
    assert found["task", "reasoning"] == 24.85
    assert found["topic", "stem"] == 23.98
    assert found["topic", "lifestyle"] == 40.06


@there
def test_a_tag_counts_whether_it_comes_first_or_last(published: Published, data: pd.DataFrame):
    table = score_table(published.judgments, published.responses, data, CFG)
    chosen = (table["grouping"] == "task") & (table["group"] == "reasoning") & (table["aspect"] == "helpfulness")
    assert table[chosen]["n"].tolist() == [285]


def judgment(name: object, category: str = "regular", score: object = "4", **changes: object) -> dict[str, object]:
    """A row as just-eval writes it."""
    parsed = {aspect: {"reason": f"because of {name}", "score": score} for aspect in ASPECTS[category]}
    row: dict[str, object] = {"id": name, "input": f"Question {name}?", "output_cand": "x", "generator_cand": "g"}
    row |= {"eval_config": {"gpt": "gpt-x", "max_words": -1}, "result": json.dumps(parsed), "parsed_result": parsed}
    return {key: value for key, value in (row | changes).items() if value is not ...}


class Folder:
    """A folder of published files about four regular and two safety instructions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        categories = ["regular"] * 4 + ["safety"] * 2
        self.data = pd.DataFrame(
            [{"id": str(at), "instruction": f"Question {at}?", "category": kind} for at, kind in enumerate(categories)]
        )

    def put(self, name: str, rows: object) -> "Folder":
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
        return self

    def outputs(self, name: str, *texts: str) -> "Folder":
        return self.put(name, [{"id": at, "output": text, "generator": "g"} for at, text in enumerate(texts)])

    def read(self) -> Published:
        return read_published(self.folder, self.data)

    def table(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        return means(self.read(), self.data, as_five=False)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "published")


def test_other_names_and_systems(folder: Folder):
    folder.outputs(f"outputs/{GENERAL}.to_eval.json", *["a b c"] * 6).outputs("outputs/URIAL=x-7b.json", *["a b"] * 6)
    regular, safety = [judgment(at) for at in range(4)], [judgment(at, "safety", 5) for at in (4, 5)]
    folder.put(f"judgments/gpt-4/{GENERAL}.score_multi.gpt-4-1106-preview.json", regular)
    folder.put(f"judgments/gpt-4/{GENERAL}.score_safety.chatgpt.json", safety)
    folder.put(f"judgments/gpt-4/{GENERAL}.score_safety.chatgpt.eval_res.json", {"safety_mean": 1.0})
    folder.put("judgments/turbo/URIAL=x-7b/URIAL=x-7b.general.0-2.json", regular[:2])
    folder.put("judgments/turbo/URIAL=x-7b/URIAL=x-7b.general.2-4.json", regular[2:])
    folder.put("judgments/unnamed.score_multi.json", regular)
    found = folder.table()
    assert {key[:2] for key in found} == {
        (GENERAL, "gpt-4-1106-preview"), (GENERAL, "chatgpt"), (GENERAL, ""), ("URIAL=x-7b", "turbo"),
        ("URIAL=x-7b", ""), ("unnamed", "gpt-x"),
    }  # fmt: skip
    assert found["URIAL=x-7b", "turbo", "depth"]["n"] == 4
    assert found["URIAL=x-7b", "", "words"]["mean"] == 2
    assert found[GENERAL, "chatgpt", "safety"]["mean"] == 5


def test_scores_in_every_spelling(folder: Folder):
    spelt: list[object] = ["4", 4, 4.0, " 4/5"]
    rows = [judgment(at, score=value) for at, value in enumerate(spelt)]
    found = folder.put("judgments/m.score_multi.j.json", rows).table()
    assert {row["mean"] for row in found.values()} == {4.0}
    assert {row["unscored"] for row in found.values()} == {0}


@pytest.mark.parametrize("score", ["N/A", "n/a", 0, 6, "4/10", "good", None, True, [4]])
def test_what_is_no_score_is_unscored_and_moves_nothing(folder: Folder, score: object):
    rows = [judgment(0, score=2), judgment(1, score=3), judgment(2, score=4), judgment(3, score=score)]
    found = folder.put("judgments/m.score_multi.j.json", rows).table()
    for row in found.values():
        assert (row["mean"], row["n"], row["unscored"]) == (3.0, 3, 1)


def test_answers_without_parsed_result_are_read_or_unscored_with_a_reason(folder: Folder):
    rows = [
        judgment(0, parsed_result=...), judgment(1, parsed_result=None), judgment(2, parsed_result={}, result="N/A"),
        judgment(3, parsed_result=..., result=...),
    ]  # fmt: skip
    found = folder.put("judgments/m.score_multi.j.json", rows).read().judgments
    by_id = found.groupby("id")
    assert by_id["score"].mean()[["0", "1"]].tolist() == [4, 4]
    assert by_id["score"].count()[["2", "3"]].tolist() == [0, 0]
    assert (found.loc[found["id"].isin(["2", "3"]), "unscored"] != "").all()


def test_what_was_not_judged_is_counted(folder: Folder):
    found = folder.put("judgments/m.general.0-1.json", [judgment(0)]).table()
    assert {(row["n"], row["unscored"]) for row in found.values()} == {(1, 3)}
    assert set(folder.read().judgments["unscored"]) == {"", "not judged"}


def test_a_system_that_is_all_unscored_has_no_mean(folder: Folder):
    found = folder.put("judgments/m.score_multi.j.json", [judgment(at, score="N/A") for at in range(4)]).table()
    assert all(isnan(row["mean"]) and row["n"] == 0 and row["unscored"] == 4 for row in found.values())


def test_a_whole_file_beside_its_ranges_counts_once(folder: Folder):
    rows = [judgment(at) for at in range(4)]
    folder.put("judgments/j/m.score_multi.json", rows)
    alone = folder.table()
    folder.put("judgments/j/m/m.general.0-2.json", rows[:2]).put("judgments/j/m/m.general.2-4.json", rows[2:])
    assert folder.table() == alone


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, ["published_dir", "neither outputs"]),
        ({"outputs/m.json": "[oops"}, ["outputs/m.json, line 1", "no JSON"]),
        ({"outputs/m.json": {"id": 0}}, ["outputs/m.json", "a JSON dict, not a list"]),
        ({"outputs/m.json": [{"id": 0, "output": "a"}, 5]}, ["m.json, row 2", "no JSON object"]),
        ({"outputs/m.json": [{"output": "a"}]}, ["m.json, row 1", "no id"]),
        ({"outputs/m.json": [{"id": 0}]}, ["m.json, row 1", "no output"]),
        ({"outputs/m.json": [{"id": 9, "output": "a"}]}, ["m.json, row 1, key id", "'9' is not in the dataset"]),
        ({"outputs/m.json": [{"id": 0, "output": "a"}, {"id": "0", "output": "a"}]}, ["row 2", "duplicate id '0'", "row 1"]),
        ({"outputs/m.json": [{"id": 0, "output": "a", "instruction": "Other?"}]}, ["m.json", "1 of 1 instructions"]),
        (
            {"judgments/m.general.0-2.json": [judgment(0), judgment(1)], "judgments/m.general.1-2.json": [judgment(1, score=1)]},
            ["m.general.1-2.json, row 1", "another judgment of id '1'", "m.general.0-2.json, row 2"],
        ),
        ({"judgments/m.general.json": [judgment(0), judgment(0)]}, ["m.general.json, row 2", "duplicate id '0'"]),
        ({"judgments/m.general.json": [judgment(7)]}, ["m.general.json, row 1", "'7' is not in the dataset"]),
        ({"judgments/m.general.json": [judgment(0, eval_config=...)]}, ["m.general.json, row 1", "nothing names the judge"]),
        ({"judgments/a/m.general.json": "\ufeff[]x"}, ["m.general.json", "no JSON"]),
    ],
)  # fmt: skip
@pytest.mark.fault("judges", "published judgments hold mistakes", "one line that names file and row; exit code 2")
def test_mistakes_name_file_and_row(folder: Folder, files: dict[str, object], words: list[str]):
    folder.folder.mkdir()
    for name, rows in files.items():
        folder.put(name, rows)
    with pytest.raises(UserError) as error:
        folder.read()
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


def test_other_files_are_left_alone(folder: Folder):
    folder.outputs("outputs/m.json", *["a"] * 6).put("outputs/README.md", "x").put("judgments/m.tag.chatgpt.json", "x")
    assert [path.name for path in published_files(folder.folder)] == ["m.json"]


def test_what_is_exported_is_read_back(folder: Folder, tmp_path: Path):
    data, responses = tmp_path / "data.parquet", tmp_path / "responses.parquet"
    texts = [f"answer {at}" for at in range(6)]
    write_table(folder.data.assign(subset="s"), data)
    write_table(pd.DataFrame({"id": folder.data["id"], "text": texts})[::-1], responses)
    out = folder.folder / "outputs/mine.json"
    export.run(ExportStage(generator="Mine", dataset="x"), RUNTIME, data=data, responses=responses, out=out)
    assert json.loads(out.read_text())[4] == {
        "id": 4, "instruction": "Question 4?", "source_id": "4", "dataset": "s", "category": "safety",
        "output": "answer 4", "generator": "Mine", "datasplit": "x",
    }  # fmt: skip
    (folder.folder / "outputs/mine.json.meta.json").unlink()
    found = folder.read().responses
    assert found[["system", "id", "text"]].values.tolist() == [["mine", str(at), text] for at, text in enumerate(texts)]
    assert read_table(responses)["id"].tolist() == folder.data["id"].tolist()[::-1]
