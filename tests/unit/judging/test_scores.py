"""Statistics of scores, and the table and figures of them: invariants on synthetic judgments."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import (
    DatasetFigure,
    JudgedFigure,
    JudgedStage,
    JudgeTitle,
    PublishedScores,
    RuntimeConfig,
    ScoresTable,
    SystemTitle,
)
from superficial.judging.judges.aspects import ASPECTS
from superficial.judging.scores import stage
from superficial.judging.scores.statistics import NOT_APPLICABLE, SIX, count_na, score_table
from superficial.views.figures import aspects_radar, dataset_stats, tasks_topics_radar
from superficial.views.tables import scores as table

RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=1, position_chunk=1)
STATS = {"resamples": 200, "confidence": 0.9, "seed": 3}
SYSTEMS = ["base.zero_shot", "base.urial_k3", "aligned.aligned"]
CFG = JudgedStage(**STATS, na_as_five=False, judge="tiny", systems=SYSTEMS)
CAVEAT = "Too small to conclude from."
VIEW = {
    "dataset": "synthetic", "confidence": 0.9, "na_as_five": False,
    "judge": JudgeTitle(name="tiny", title="Tiny judge", caveat=CAVEAT),
    "systems": [SystemTitle(name=name, title=f"System {name}") for name in SYSTEMS],
}  # fmt: skip
LOOK = {
    "dpi": 60, "unshifted": "#000", "marginal": "#000", "shifted": "#000", "max_position": 8, "min_examples": 3,
    "example_tokens": 20,
}  # fmt: skip


def instructions() -> pd.DataFrame:
    """Twelve regular ones, each third with two tasks, and four for safety."""
    rows = [
        {"id": f"q{at}", "instruction": f"Q {at}?", "category": "regular", "subset": "made",
         "tasks": ["math", "coding"] if at % 3 == 0 else ["math"], "topics": ["stem"] if at % 2 else []}
        for at in range(12)
    ]  # fmt: skip
    rows += [
        {"id": f"s{at}", "instruction": f"S {at}?", "category": "safety", "subset": "red", "tasks": [], "topics": []}
        for at in range(4)
    ]
    return pd.DataFrame(rows)


def judgments(data: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for name, category in zip(data["id"], data["category"], strict=True):
        for aspect in ASPECTS[category]:
            score = float(rng.integers(1, 6))
            missing = rng.random() < 0.2 and name not in ("q0", "s0")
            unscored = NOT_APPLICABLE if missing else ""
            rows.append((name, category, aspect, np.nan if missing else score, "r", unscored, "raw"))
    return pd.DataFrame(rows, columns=["id", "category", "aspect", "score", "reason", "unscored", "raw"])


def answers(data: pd.DataFrame, words: int) -> pd.DataFrame:
    return pd.DataFrame({"id": data["id"], "text": ["w " * (words if name[0] == "q" else 99) for name in data["id"]]})


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """What the judged stage makes of three systems."""
    data = instructions()
    write_table(data, tmp_path / "data.parquet")
    scored, answered = [], []
    for at, system in enumerate(SYSTEMS):
        scored.append(tmp_path / f"{system}.judgments.parquet")
        answered.append(tmp_path / f"{system}.responses.parquet")
        write_table(judgments(data, at).sample(frac=1, random_state=at), scored[-1])
        write_table(answers(data, 10 * (at + 1)), answered[-1])
    out = tmp_path / "judged.csv"
    stage.run(CFG, RUNTIME, judgments=scored, responses=answered, data=tmp_path / "data.parquet", out=out)
    return out


def of(found: pd.DataFrame, system: str, aspect: str, group: str = "") -> pd.Series:
    chosen = (found["system"] == system) & (found["aspect"] == aspect) & (found["group"].fillna("") == group)
    assert chosen.sum() == 1
    return found[chosen].iloc[0]


def test_means_are_those_of_the_scores_that_are_there(judged: Path):
    found = read_table(judged)
    for at, system in enumerate(SYSTEMS):
        scores = judgments(instructions(), at)
        for aspect in SIX:
            values = scores.loc[scores["aspect"] == aspect, "score"]
            row = of(found, system, aspect)
            assert row["mean"] == pytest.approx(values.mean())
            assert (row["n"], row["unscored"]) == (values.count(), values.isna().sum())
            assert row["ci_low"] <= row["mean"] <= row["ci_high"]


def test_the_average_is_the_plain_mean_of_six(judged: Path):
    found = read_table(judged)
    for system in SYSTEMS:
        row = of(found, system, "average")
        assert row["mean"] == pytest.approx(np.mean([of(found, system, aspect)["mean"] for aspect in SIX]))
        assert row["ci_low"] < row["mean"] < row["ci_high"]
        assert row["unscored"] == sum(of(found, system, aspect)["unscored"] for aspect in SIX)


def test_words_are_those_of_regular_responses(judged: Path):
    found = read_table(judged)
    for at, system in enumerate(SYSTEMS):
        row = of(found, system, "words")
        assert (row["mean"], row["n"], row["unscored"]) == (10 * (at + 1), 12, 0)
        assert pd.isna(row["judge"])


def test_every_tag_of_an_instruction_counts(judged: Path):
    found, data = read_table(judged), instructions()
    for group, member in (
        ("coding", data["tasks"].map(lambda tags: "coding" in tags)),
        ("math", data["category"] == "regular"),
    ):
        scores = judgments(data, 0)
        values = scores.loc[scores["id"].isin(data.loc[member, "id"]) & (scores["aspect"] == "depth"), "score"]
        row = of(found, SYSTEMS[0], "depth", group)
        assert row["mean"] == pytest.approx(values.mean())
        assert row["n"] + row["unscored"] == member.sum()
        five = [of(found, SYSTEMS[0], aspect, group)["mean"] for aspect in ASPECTS["regular"]]
        assert of(found, SYSTEMS[0], "average", group)["mean"] == pytest.approx(np.mean(five))


def test_one_system_does_not_change_another(judged: Path, tmp_path: Path):
    alone = tmp_path / "alone.csv"
    cfg = CFG.model_copy(update={"systems": SYSTEMS[1:2]})
    files = [tmp_path / f"{SYSTEMS[1]}.{kind}.parquet" for kind in ("judgments", "responses")]
    stage.run(cfg, RUNTIME, judgments=files[0], responses=files[1], data=tmp_path / "data.parquet", out=alone)
    found = read_table(judged)
    pd.testing.assert_frame_equal(found[found["system"] == SYSTEMS[1]].reset_index(drop=True), read_table(alone))


def test_unscored_is_not_a_score_unless_five_is_asked_for():
    data = instructions()
    scores = judgments(data, 0)
    other = pd.concat([scores.iloc[:1].assign(score=np.nan, unscored="no JSON"), scores.iloc[1:]])
    five = count_na(other, as_five=True)
    assert five["score"].isna().sum() == 1  # what could not be read stays unscored
    assert (five.loc[five["unscored"] == "", "score"].notna()).all()
    changed = five.iloc[1:]["score"].to_numpy()[other.iloc[1:]["unscored"] == NOT_APPLICABLE]
    assert len(changed) > 0
    assert set(changed) == {5.0}
    pd.testing.assert_frame_equal(count_na(other, as_five=False), other)


def test_without_an_aspect_there_is_no_average():
    data = instructions()
    scores = judgments(data, 0).assign(system="m", judge="j")
    found = score_table(scores[scores["aspect"] != "safety"], pd.DataFrame(columns=["system", "id", "text"]), data, CFG)
    assert "safety" not in set(found["aspect"])
    assert set(found.loc[found["aspect"] == "average", "grouping"]) == {"task", "topic"}


def test_judges_that_share_the_aspects_become_one():
    rows = [
        ("m", "gpt-4", "depth"),
        ("m", "chatgpt", "safety"),
        ("o", "x", "depth"),
        ("o", "y", "depth"),
        ("p", "x", "depth"),
        *[("m", "all", aspect) for aspect in ("depth", "safety")],
    ]
    found = stage.join_judges(pd.DataFrame(rows, columns=["system", "judge", "aspect"]))
    assert found["judge"].tolist() == ["gpt-4 + chatgpt", "gpt-4 + chatgpt", "x", "y", "x", "all", "all"]


def test_the_table_keeps_ours_and_the_paper_apart(judged: Path, tmp_path: Path):
    paper = PublishedScores(
        system="Paper_system & co", helpfulness=4.1, clarity=4.2, factuality=4.3, depth=4.4, engagement=4.5, safety=4.6,
        average=4.35, words=123.4,
    )  # fmt: skip
    out = [tmp_path / f"scores{suffix}" for suffix in (".csv", ".md", ".tex")]
    table.run(ScoresTable(**VIEW, published=[paper]), RUNTIME, judged=judged, out=out)
    rows = pd.read_csv(out[0])
    assert rows.groupby("source").size().to_dict() == {"this run": 24, "Lin et al. 2024, Table 1": 8}
    assert rows.loc[rows["source"] == "this run", ["mean", "ci_low", "ci_high", "n", "unscored"]].notna().all().all()
    markdown, latex = out[1].read_text(), out[2].read_text()
    lines = markdown.splitlines()
    ours, theirs = (
        lines.index(next(x for x in lines if "**this run**" in x)),
        lines.index(next(x for x in lines if "**Lin" in x)),
    )
    assert [index for index, line in enumerate(lines) if "System " in line] == list(range(ours + 1, theirs))
    assert "Paper\\_system & co" in lines[theirs + 1]
    assert r"Paper\_system \& co" in latex
    for text in (markdown, latex):
        assert CAVEAT in text
        assert "Tiny judge" in text
    row = of(read_table(judged), SYSTEMS[0], "depth")
    assert (
        f"{row['mean']:.2f}<br>[{row['ci_low']:.2f}, {row['ci_high']:.2f}]<br>n {row['n']}, unscored {row['unscored']}"
        in markdown
    )


@pytest.mark.parametrize("figure", [aspects_radar, tasks_topics_radar])
def test_radars_are_drawn_twice_the_same(judged: Path, tmp_path: Path, figure: ModuleType):
    for name in ("one", "two"):
        figure.run(JudgedFigure(**LOOK, **VIEW), RUNTIME, judged=judged, out=tmp_path / f"{name}.pdf")
    for kind in ("pdf", "png", "svg", "csv"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes(), kind
    assert set(pd.read_csv(tmp_path / "one.csv")["system"]) == {f"System {name}" for name in SYSTEMS}


def test_a_radar_without_tags_says_so(judged: Path, tmp_path: Path):
    found = read_table(judged)
    write_table(found[found["grouping"] == "all"], tmp_path / "untagged.csv")
    tasks_topics_radar.run(
        JudgedFigure(**LOOK, **VIEW), RUNTIME, judged=tmp_path / "untagged.csv", out=tmp_path / "x.pdf"
    )
    assert (tmp_path / "x.png").stat().st_size > 2000


def test_dataset_stats_count_assignments(tmp_path: Path):
    data = instructions()
    write_table(data, tmp_path / "data.parquet")
    cfg = DatasetFigure(**LOOK, dataset="synthetic", shares=[])
    dataset_stats.run(cfg, RUNTIME, data=tmp_path / "data.parquet", out=tmp_path / "stats.pdf")
    found = pd.read_csv(tmp_path / "stats.csv").set_index(["grouping", "group"])
    assert (found.loc[("task", "math"), "count"], found.loc[("task", "coding"), "count"]) == (12, 4)
    assert found.loc[("task", "math"), "percent"] == pytest.approx(75)
    assert found.groupby("grouping")["percent"].sum().round(6).to_dict() == {"subset": 100, "task": 100, "topic": 100}
