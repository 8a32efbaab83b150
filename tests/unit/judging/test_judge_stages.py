"""Stages of judging without a model: imported judgments, and what is said about a judge."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from superficial.artifacts.errors import UserError
from superficial.config.schema import RuntimeConfig
from superficial.config.schema.judge import ImportedJudge, JudgeStage, TrustStage, VotesJudge
from superficial.judging.judges import stage, trust
from superficial.judging.judges.aspects import ASPECTS
from superficial.judging.judges.canaries import AGAIN, NEWLINE, ORIGINAL, canary_texts, drawn_examples

RUNTIME = RuntimeConfig(device="cpu", generate_batch=2, score_tokens=512, position_chunk=64)
DATA = pd.DataFrame(
    {"id": ["1", "2", "3"], "instruction": ["Why?", "How?", "Harm?"], "category": ["regular", "regular", "safety"]}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Published outputs and judgments of one system, and our responses: those to 1 and 3 are the judged ones."""
    outputs = [{"id": name, "instruction": text, "output": f"So {name}."}
               for name, text in zip(DATA["id"], DATA["instruction"], strict=True)]  # fmt: skip
    judged = []
    for row, category in zip(outputs, DATA["category"], strict=True):
        said = {
            aspect: {"reason": f"on {aspect}", "score": str(3 + int(row["id"]) % 2)} for aspect in ASPECTS[category]
        }
        judged.append({"id": row["id"], "input": row["instruction"], "output_cand": row["output"],
                       "result": json.dumps(said), "parsed_result": said})  # fmt: skip
    for name, rows in (("outputs/sys.to_eval", outputs), ("judgments/sys.score_multi.gpt-4", judged[:2]),
                       ("judgments/sys.score_safety.gpt-4", judged[2:])):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    DATA.to_parquet(tmp_path / "data.parquet")
    texts = ["So  1.", "So 2, or not.", "So 3."]
    pd.DataFrame({"id": DATA["id"], "text": texts}).to_parquet(tmp_path / "responses.parquet")
    return tmp_path


def judged(folder: Path, judge: ImportedJudge | VotesJudge) -> pd.DataFrame:
    out = folder / "results/judgments/d/j/m/k.parquet"
    files = {"data": folder / "data.parquet", "responses": folder / "responses.parquet"}
    stage.run(JudgeStage(judge=judge, system="m.k"), RUNTIME, **files, model=[], out=out)
    return pd.read_parquet(out)


def test_an_imported_judgment_counts_for_the_response_that_was_judged(folder: Path):
    judge = ImportedJudge(name="j", title="J", kind="imported", source=str(folder), systems={"m.k": "sys"})
    table = judged(folder, judge)
    assert table[table["id"] == "1"]["score"].tolist() == [4] * 5
    assert table[table["id"] == "3"]["score"].tolist() == [4]
    other = table[table["id"] == "2"]
    assert other["score"].isna().all()
    assert (other["unscored"] == "the judgment is of another response").all()
    with pytest.raises(UserError, match="no judgments of m"):
        judged(folder, judge.model_copy(update={"systems": {}}))
    with pytest.raises(UserError, match="by nobody"):
        judged(folder, judge.model_copy(update={"judge": "nobody"}))


def test_judgments_of_some_systems_on_some_instructions_go_beside_a_judge_of_all(folder: Path):
    """As in a run with dataset.limit and several methods, of which only one was published."""
    DATA.iloc[:2].to_parquet(folder / "data.parquet")
    judge = ImportedJudge(name="j", title="J", kind="imported", source=str(folder), systems={"m.k": "sys"})
    table = judged(folder, judge)
    assert table["id"].unique().tolist() == ["1", "2"]
    assert table["score"].notna().sum() == 5
    strange = judged(folder, judge.model_copy(update={"systems": {"m.other": "sys"}}))
    assert strange["score"].isna().all()
    assert (strange["unscored"] == "not judged").all()
    with pytest.raises(UserError, match="no judgments of nobody"):
        judged(folder, judge.model_copy(update={"systems": {"m.k": "nobody"}}))


def test_votes_give_no_scores_and_say_what_to_do(folder: Path):
    with pytest.raises(UserError, match=r"judge j: .*tables/pairwise"):
        judged(folder, VotesJudge(name="j", title="J", kind="votes", source="votes.csv"))


def test_canaries_are_drawn_by_seed_in_the_order_of_the_data(tmp_path: Path):
    data = pd.DataFrame({"id": [f"q{number}" for number in range(40)]})
    picked = drawn_examples(data, 8, 0)["id"]
    assert picked.tolist() == drawn_examples(data, 8, 0)["id"].tolist() != drawn_examples(data, 8, 1)["id"].tolist()
    assert picked.index.is_monotonic_increasing
    assert len(drawn_examples(data, None, 0)) == len(drawn_examples(data, 50, 0)) == 40
    (tmp_path / "canaries.yaml").write_text("order: give 5\n")
    assert list(canary_texts(tmp_path / "canaries.yaml")) == [ORIGINAL, AGAIN, NEWLINE, "order"]
    for text in ("- a\n", "a: [b]\n", "a: {\n"):
        (tmp_path / "canaries.yaml").write_text(text)
        with pytest.raises(UserError, match="one line a canary"):
            canary_texts(tmp_path / "canaries.yaml")


def trusted(folder: Path, judgments: pd.DataFrame, canaries: pd.DataFrame, pairwise: pd.DataFrame, **others: object):
    files = {"judgments": judgments, "canaries": canaries, "pairwise": pairwise} | others
    paths = {}
    for name, table in files.items():
        paths[name] = folder / f"{name}.parquet"
        table.to_parquet(paths[name])
    cfg = TrustStage(resamples=200, confidence=0.95, seed=0, judge="j",
                     systems=["m.k"], others=["other"] * ("others" in files), comparisons=["c"])  # fmt: skip
    trust.run(cfg, RUNTIME, **({"others": [], "published": []} | paths), out=folder / "trust.csv")
    return pd.read_csv(folder / "trust.csv", keep_default_na=False, na_values=[""]).fillna({"variant": ""})


def test_trust_measures_what_was_built_in(tmp_path: Path):
    """A judge that adds 2 points for a sentence, prefers the first response 3 times in 4, and is unscored once in 10."""
    names = [f"q{number}" for number in range(20)]
    scores = pd.DataFrame({"id": names, "aspect": "depth", "score": [3.0] * 12 + [2.0] * 6 + [np.nan] * 2})
    change = {ORIGINAL: 0.0, AGAIN: 0.0, NEWLINE: 0.25, "sentence": 2.0}
    canaries = pd.concat(
        [
            pd.DataFrame({"variant": name, "id": names[:8], "aspect": "depth", "score": 3 + by})
            for name, by in change.items()
        ]
    )
    canaries.iloc[-1, -1] = np.nan
    votes = [("given", "a"), ("swapped", "b")] * 2 + [("given", "a"), ("swapped", "a")] * 2
    pairwise = pd.DataFrame(votes, columns=["order", "vote"]).assign(aspect="overall")
    pairwise["id"] = [f"q{number // 2}" for number in range(8)]
    other = scores.assign(score=scores["score"].where(scores.index > 3, 5.0))
    found = trusted(tmp_path, scores, canaries, pairwise, others=other).set_index(["measure", "variant"])
    values = found["value"]
    assert values["unscored", ""] == pytest.approx(0.1)
    assert values["commonest", "3"] == pytest.approx(12 / 18)
    assert [values["shift", name] for name in (AGAIN, NEWLINE, "sentence")] == [0, 0.25, 2]
    assert [values["moved", name] for name in (AGAIN, NEWLINE, "sentence")] == [0, 0, 1]
    assert (found.loc[("shift", "sentence"), "n"], found.loc[("shift", "sentence"), "unscored"]) == (7, 1)
    assert values["first", ""] == 0.75
    assert values["orders_agree", ""] == 0.5
    assert values["same", "other"] == pytest.approx(14 / 18)
    assert values["agreement", "other"] < 1
    assert found.loc[("same", "other"), "unscored"] == 2


def test_a_judge_that_agrees_with_nobody_on_nothing_shared(tmp_path: Path):
    scores = pd.DataFrame({"id": ["q"], "aspect": ["depth"], "score": [3.0]})
    other = scores.assign(score=np.nan)
    nothing = pd.DataFrame(columns=["variant", "id", "order", "vote", "aspect", "score"], dtype=str)
    found = trusted(tmp_path, scores, nothing, nothing, others=other).set_index("measure")
    assert found.loc["agreement", "n"] == 0
    assert np.isnan(found.loc["agreement", "value"])
    assert "shift" not in found.index
