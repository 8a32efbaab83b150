"""Kinds of token are told by English words: elsewhere they are left out, and the figure says so."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from superficial.config.schema import FigureStage, PairTitle
from superficial.shift.category import CATEGORIES
from superficial.shift.kinds.classify import KINDS, classify
from superficial.shift.kinds.language import counts_hold, kinds_hold
from superficial.views.figures import shift_by_kind, shift_example
from superficial.views.notes.names import NO_KINDS

ENGLISH = [
    "You",
    "can",
    "keep",
    "it",
    "fresh",
    "if",
    "you",
    "put",
    "it",
    "in",
    "a",
    "cool",
    "place",
    "and",
    "do",
    "not",
    "wash",
    "it",
    "before",
    "you",
    "want",
    "to",
    "eat",
    "it",
]
CHINESE = ["当然", "！", "以下", "是", "保持", "香蕉", "新鲜", "的", "三", "个", "方法", "：", "Python"]
RUSSIAN = [
    "Листья",
    "желтеют",
    "осенью",
    "потому",
    "что",
    "дни",
    "становятся",
    "короче",
    "и",
    "в",
    "них",
    "меньше",
    "света",
]


def table(words: list[str], times: int) -> pd.DataFrame:
    """kinds.csv of `times` repetitions of a text."""
    counts = pd.Series(classify([f" {word}" for word in words], ended=False) * times).value_counts()
    rows = [
        {"kind": kind, "measure": measure, "value": 0.5, "low": 0.4, "high": 0.6, "tokens": count, "examples": 50}
        for kind, count in counts.items()
        for measure in ("share_of_tokens", "shifted", "share_of_shifted", "odds_ratio")
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("words", "holds"), [(ENGLISH, True), (CHINESE, False), (RUSSIAN, False)])
def test_the_language_is_told_by_function_words(words: list[str], holds: bool):
    assert kinds_hold(table(words, 40)) == kinds_hold(table(words, 6)) == holds
    assert kinds_hold(table(words, 1))  # too few words to tell
    assert kinds_hold(table(words, 40).query("measure != 'share_of_tokens'"))
    codes = [KINDS.index(kind) for kind in classify([f" {word}" for word in words], ended=False)]
    for times in (1, 6, 40):
        counts = np.bincount(codes * times, minlength=len(KINDS))
        assert counts_hold(counts) == kinds_hold(table(words, times))


LOOK = {
    "dpi": 72, "unshifted": "blue", "marginal": "orange", "shifted": "red", "max_position": 9, "min_examples": 2,
    "example_tokens": 20, "dataset": "d", "context": "zero_shot", "confidence": 0.95,
}  # fmt: skip


def test_a_pair_in_another_language_is_left_out_of_the_figure_with_a_note(tmp_path: Path):
    agreement = [
        {"kind": "all", "measure": name, "value": 0.9, "tokens": 100} for name in ("kappa", "accuracy")
    ]  # fmt: skip
    (tmp_path / "stats").mkdir()
    pd.DataFrame(agreement).to_csv(tmp_path / "stats/kinds_agreement.csv", index=False)
    for name, words in (("english", ENGLISH), ("chinese", CHINESE)):
        folder = tmp_path / "stats/d" / name / "zero_shot"
        folder.mkdir(parents=True)
        table(words, 40).to_csv(folder / "kinds.csv", index=False)
        pd.DataFrame([{"measure": "examples", "value": 50}]).to_csv(folder / "summary.csv", index=False)
    pairs = [PairTitle(name=name, title=name) for name in ("english", "chinese")]
    cfg = FigureStage(**LOOK, pairs=pairs)
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shift_by_kind, "save", lambda figure, *rest: drawn.append((rest[0], " ".join(rest[-1]))))
        shift_by_kind.run(cfg, None, results=tmp_path, out=tmp_path / "out.pdf")
    [(written, told)] = drawn
    assert f"chinese: n = 50 responses. {NO_KINDS}" in told
    assert "english: n = 50 responses. Odds ratio" in told
    values = written[written["measure"] == "shifted"].groupby("pair")["value"].count()
    assert values["chinese"] == 0
    assert values["english"] > 0


@pytest.mark.parametrize(
    ("words", "marks"), [(ENGLISH[:8], ["function"] * 2), (["当然", "！", "以下"], ["", "punctuation"])]
)
def test_a_word_of_another_language_has_no_mark_in_the_example(words: list[str], marks: list[str], tmp_path: Path):
    """Punctuation keeps its mark: no language decides it."""
    folders = {name: tmp_path / name / "d/p" for name in ("shifts", "kinds", "stats")}
    for folder in folders.values():
        (folder / "zero_shot").mkdir(parents=True)
    every = CHINESE if words[0] in CHINESE else ENGLISH
    table(every, 40).to_csv(folders["stats"] / "zero_shot/kinds.csv", index=False)
    ratios = {
        "level": "pooled",
        "category": CATEGORIES,
        "share": 0.3,
        "low": 0.2,
        "high": 0.4,
        "tokens": 9,
        "examples": 3,
    }
    pd.DataFrame(ratios).to_csv(folders["stats"] / "zero_shot/ratios.csv", index=False)
    pd.DataFrame(columns=["order", "category", "token"]).to_csv(folders["stats"] / "zero_shot/tokens.csv", index=False)
    size = len(words)
    shifts = {"example_id": ["a"] * size, "position": range(size), "token": words, "base_top_tokens": [["x"]] * size}
    shifts["category"] = pd.Categorical(["shifted"] * 2 + ["unshifted"] * (size - 2), CATEGORIES)
    pd.DataFrame(shifts).to_parquet(folders["shifts"] / "zero_shot.parquet")
    pd.DataFrame({"kind": classify([f" {word}" for word in words], ended=False)}).to_parquet(
        folders["kinds"] / "zero_shot.parquet"
    )
    (tmp_path / "data").mkdir()
    row = {"id": ["a"], "instruction": ["How?"], "category": ["regular"], "turns": [[]]}
    pd.DataFrame(row).to_parquet(tmp_path / "data/d.parquet")
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shift_example, "save", lambda figure, *rest: drawn.append((figure, rest[0], rest[-1])))
        cfg = FigureStage(**LOOK, example="a", pairs=[PairTitle(name="p", title="p")])
        shift_example.run(cfg, None, results=tmp_path, out=tmp_path / "out.pdf")
    [(figure, written, told)] = drawn
    assert written["kind"].tolist()[:2] == marks
    named = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert any(name.startswith("function word 2") for name in named) == ("function" in marks)
    assert not any(name.startswith(("content", " ")) for name in named)
    assert len(figure.axes[0].lines) == len([mark for mark in marks if mark])
    assert ("words have a kind in English only" in " ".join(told)) == ("" in marks)
