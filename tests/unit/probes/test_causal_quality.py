"""Judged scores of texts with swapped tokens: who is asked for which of them, what is made of it, what is drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.text import Text

from superficial.artifacts.table import write_table
from superficial.config.schema import CausalFigure, IntervalsConfig, JudgeTitle, PairTitle, RuntimeConfig
from superficial.judging.judges.aspects import ASPECTS
from superficial.probes.causal.quality import quality
from superficial.probes.causal.statistics import causal_means
from superficial.views.figures.causal_swap import run as draw

INTERVALS = IntervalsConfig(resamples=300, confidence=0.95, seed=0)
RUNTIME = RuntimeConfig(device="cpu", generate_batch=2, score_tokens=512, position_chunk=64)
VARIANTS = {"none": 0, "shifted": 3, "first_2": 2, "first_5": 5, "all": 10, "reverse": 3}  # tokens swapped of 10
EXAMPLES = {f"e{index}": "safety" if index % 3 == 2 else "regular" for index in range(9)}
AGREEING = (
    "agreeing", "agreeing_share", "rouge_l", "identical", "base_agreeing", "base_agreeing_share", "base_rouge_l",
)  # fmt: skip


@pytest.fixture
def table() -> pd.DataFrame:
    """As the causal stage writes it, with something as agreement."""
    rows = [
        {
            "id": f"{example}#{variant}", "example_id": example, "variant": variant, "window": 10,
            "category": category, "swapped": swapped, "changed": swapped, "tokens": 10,
        } | dict.fromkeys(AGREEING, swapped / 10)
        for example, category in EXAMPLES.items()
        for variant, swapped in VARIANTS.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def judgments(table: pd.DataFrame) -> pd.DataFrame:
    """A judge that gives 1 point to start with, 0.3 a swapped token, 0.1 an example, 0.2 an aspect."""
    rows = [
        {"id": row["id"], "category": row["category"], "aspect": aspect, "unscored": "",
         "score": 1 + 0.3 * row["swapped"] + 0.1 * int(row["example_id"][1:]) + 0.2 * at}
        for row in table.to_dict("records")
        for at, aspect in enumerate(ASPECTS[row["category"]])
    ]  # fmt: skip
    return pd.DataFrame(rows)


def lose(judgments: pd.DataFrame, which: "pd.Series[bool]") -> pd.DataFrame:
    """The same judgments, some of them unscored."""
    return judgments.assign(score=judgments["score"].mask(which), unscored=np.where(which, "the judge said N/A", ""))


def test_means_by_variant_and_paired_differences(table: pd.DataFrame, judgments: pd.DataFrame):
    found = quality(table, judgments, INTERVALS).set_index(["measure", "variant"])
    for category, measure in (("regular", "score"), ("safety", "safety")):
        own = judgments[judgments["category"] == category]
        for variant, swapped in VARIANTS.items():
            row = found.loc[measure, variant]
            mine = own[own["id"].str.endswith(f"#{variant}")]
            assert row["mean"] == pytest.approx(mine["score"].mean())
            assert row["low"] < row["mean"] < row["high"]
            assert (row["examples"], row["unscored"]) == ((6, 0) if category == "regular" else (3, 0))
            # Differences are paired: they do not vary over examples here, so neither do they in resamples.
            for side, reference in (("base", 0), ("aligned", 10)):
                row = found.loc[f"{measure}_above_{side}", variant]
                assert row[["mean", "low", "high"]].tolist() == pytest.approx([0.3 * (swapped - reference)] * 3)
            assert found.loc[(f"share_{category}", variant), "mean"] == pytest.approx(swapped / 10)
    assert causal_means(table, INTERVALS).set_index(["measure", "variant"]).loc[("share", "shifted"), "mean"] == 0.3


def test_unscored_is_counted_and_never_a_score(table: pd.DataFrame, judgments: pd.DataFrame):
    """One instruction without depth under one variant; another one without anything."""
    one = (judgments["id"] == "e0#shifted") & (judgments["aspect"] == "depth")
    found = quality(table, lose(judgments, one | judgments["id"].isin(["e1#shifted"])), INTERVALS)
    found = found.set_index(["measure", "variant"])
    row = found.loc["score", "shifted"]
    assert (row["examples"], row["unscored"]) == (5, 6)
    left = judgments[judgments["id"].str.endswith("#shifted") & (judgments["category"] == "regular")]
    left = left[(left["id"] != "e1#shifted") & ~((left["id"] == "e0#shifted") & (left["aspect"] == "depth"))]
    assert row["mean"] == pytest.approx(left.groupby("aspect")["score"].mean().mean())
    # Where one side is missing there is no difference, so that the others' is what it was.
    row = found.loc["score_above_base", "shifted"]
    assert row[["mean", "low", "high"]].tolist() == pytest.approx([0.9] * 3)
    assert (row["examples"], row["unscored"]) == (5, 6)
    assert found.loc[("score", "all"), ["examples", "unscored"]].tolist() == [6, 0]
    gone = lose(judgments, judgments["aspect"] == "depth")
    found = quality(table, gone, INTERVALS).set_index(["measure", "variant"])
    assert np.isnan(found.loc[("score", "all"), "mean"])  # a mean of four aspects would be another number
    assert found.loc[("safety", "all"), "unscored"] == 0


def test_without_the_aligned_decoding_nothing_is_held_against_it(table: pd.DataFrame, judgments: pd.DataFrame):
    some = table[(table["variant"] != "all") & (table["category"] == "regular")]
    assert set(quality(some, judgments, INTERVALS)["measure"]) == {"score", "score_above_base", "share_regular"}


def drawn(folder: Path, stats: pd.DataFrame, **more: Any) -> tuple[str, pd.DataFrame]:
    """The words of the figure of these statistics and of its caption, and the table that goes with it; nothing is rendered."""
    values = {"unshifted": "c", "marginal": "y", "shifted": "r", "max_position": 50, "example": None, "dpi": 60,
              "min_examples": 3, "example_tokens": 20, "dataset": "d", "context": "c", "confidence": 0.95,
              "judge": JudgeTitle(name="j", title="Judge J", caveat="Too small."),
              "pairs": [PairTitle(name="p", title="P")]} | more  # fmt: skip
    for pair in values["pairs"]:
        write_table(stats.assign(window=10), folder / f"stats/d/{pair.name}/c/causal.csv")
    with pytest.MonkeyPatch.context() as patch:
        saved: list[Any] = []
        patch.setattr("superficial.views.figures.causal_swap.save", lambda *given: saved.extend(given))
        draw(CausalFigure(**values), RUNTIME, results=folder, out=folder / "causal_swap.pdf")
    texts = [*(text.get_text() for text in saved[0].findobj(Text)), *saved[-1]]
    plt.close(saved[0])
    return " ".join(" ".join(texts).split()), saved[1]


def test_the_figure_says_who_judged_and_what_it_lacks(table: pd.DataFrame, judgments: pd.DataFrame, tmp_path: Path):
    every = pd.concat([causal_means(table, INTERVALS), quality(table, judgments, INTERVALS)])
    text, rows = drawn(tmp_path, every, pairs=[PairTitle(name=name, title=name) for name in "pq"])
    for said in ("Judge: Judge J. Too small.", "unscored judgments: 0", "cut at 10 tokens", "Data: d, n = 9"):
        assert text.count(said) == 1
    for said in ("Score, regular, n = 6", "Safety, harmful, n = 3"):
        assert text.count(said) == 2
    assert "Too few" not in text
    assert len(rows) == 2 * len(every)

    text, rows = drawn(tmp_path, every, min_examples=4)
    assert text.count("Too few examples to draw: fewer than 4 have a score.") == 1  # safety
    assert "score" in set(rows["measure"])
    assert "safety" not in set(rows["measure"])

    nothing = quality(table, lose(judgments, judgments["score"] > 0), INTERVALS)
    text, rows = drawn(tmp_path, pd.concat([causal_means(table, INTERVALS), nothing]))
    assert "Nothing scored: 180 judgments, all unscored." in text  # 6 instructions, 5 aspects, 6 variants
    assert not rows["measure"].isin(["score", "safety"]).any()

    text, _ = drawn(tmp_path, causal_means(table, INTERVALS))
    assert text.count("No scores of these texts.") == 3
    assert "Judge J scores no new texts." in text

    text, rows = drawn(tmp_path, every, min_examples=10)
    assert text.count("Too few examples to draw") == 4
    assert rows.empty
