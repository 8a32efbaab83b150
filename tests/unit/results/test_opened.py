"""Results as data frames: what is chosen without being named, and one line where that cannot be known."""

import json
from pathlib import Path

import pandas as pd
import pytest
from support.project import ROOT

from superficial import results
from superficial.artifacts.errors import UserError
from superficial.artifacts.table import write_table
from superficial.results.columns import tables
from superficial.results.dictionary import page
from superficial.results.opened import declaration_of

RATIOS = pd.DataFrame({
    "level": ["pooled"] * 3, "category": ["shifted", "marginal", "unshifted"], "share": [0.1, 0.2, 0.7],
    "low": [0.0] * 3, "high": [1.0] * 3, "tokens": [1, 2, 7], "examples": [2] * 3,
})  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ratios of two pairs, one of them in two contexts, and of a second dataset."""
    (tmp_path / "data").mkdir()
    for name in ("d/one/zero_shot", "d/one/urial", "d/two.early/zero_shot", "other/one/zero_shot"):
        write_table(RATIOS, tmp_path / f"stats/{name}/ratios.csv")
    return tmp_path


def finish(folder: Path, dataset: str, context: str, *pairs: str) -> None:
    """Let the manifest say that the last run was about these."""
    cfg = {"dataset": dataset, "context": context, "pairs": [{"name": pair} for pair in pairs]}
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {"x": {"config": {}}, "y": {"config": cfg}}}))


def test_the_last_run_is_what_is_not_named(folder: Path):
    finish(folder, "d", "zero_shot", "one")
    found = results.open(folder).ratios()
    assert list(found.columns[:3]) == ["dataset", "pair", "context"]
    assert set(zip(found["dataset"], found["pair"], found["context"], strict=True)) == {("d", "one", "zero_shot")}
    assert found["category"].cat.ordered
    assert list(found["category"].cat.categories) == ["unshifted", "marginal", "shifted"]
    assert set(results.open(folder).ratios(pair=["one", "two.early"])["pair"]) == {"one", "two.early"}
    assert set(results.open(folder).ratios(context="urial")["context"]) == {"urial"}


def test_datasets_and_contexts_are_never_mixed_unless_asked_for(folder: Path):
    run = results.open(folder)
    with pytest.raises(UserError, match=r"ratios, dataset: several: d, other \| remedy: dataset='d'"):
        run.ratios()
    with pytest.raises(UserError, match="ratios, context: several: urial, zero_shot"):
        run.ratios(dataset="d")
    assert len(run.ratios(dataset=["d", "other"], context="zero_shot")) == 9
    assert len(run.there("ratios")) == 4


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda run: run.ratios(dataset="d", pair="on"), "no pair 'on' | remedy: there: one, two.early"),
        (lambda run: run.stats("ratio"), "no statistics named 'ratio'"),
        (lambda run: run.table("token"), "no table named 'token' | remedy: did you mean tokens?"),
        (
            lambda run: run.table("ratios", judge="x"),
            "ratios has no key 'judge' | remedy: keys: dataset, pair, context",
        ),
        (lambda run: run.judgments(), "no judgments there"),
        (lambda run: results.open(run.folder / "stats"), "no results there"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_is_there(folder: Path, call: object, said: str):
    with pytest.raises(UserError) as error:
        call(results.open(folder))
    assert said in str(error.value)


def test_a_column_without_a_value_keeps_its_type(folder: Path):
    blank = pd.DataFrame({
        "id": ["1"], "category": ["regular"], "aspect": ["depth"], "score": [None], "reason": [None], "unscored": ["x"],
        "raw": [""],
    })  # fmt: skip
    write_table(blank, folder / "judgments/d/judge/model/aligned.parquet")
    write_table(blank.assign(variant="x"), folder / "judgments/d/judge/model/aligned.canaries.parquet")
    found = results.open(folder).judgments(dataset="d")
    assert len(found) == 1  # the canaries are a table of their own
    assert (found.dtypes["reason"], found["reason"].isna().tolist()) == (found.dtypes["raw"], [True])


def test_each_path_is_one_table():
    for name, one in tables().items():
        assert declaration_of(one.path.replace("{", "").replace("}", "")) is one, name


def test_the_page_is_what_the_declaration_says():
    assert (ROOT / "docs/data.md").read_text(encoding="utf-8") == page(), (
        "python -m superficial dictionary docs/data.md"
    )
