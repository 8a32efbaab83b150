"""Figures beyond `figures/all` on top of a finished run, from the command line to the files."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.dictionary import compared_with_declaration
from support.plans import plans
from support.project import Project

from superficial.config.experiment import Experiment
from superficial.pipeline.plan.command import Planner
from superficial.pipeline.plan.machine import machine


def texts_judged(results: Path) -> set[tuple[str, str]]:
    """Instruction and response of everything that a judge was given one by one."""
    data = pd.read_parquet(results / "data/tiny.parquet").set_index("id")["instruction"]
    answers = pd.concat([pd.read_parquet(file) for file in results.glob("responses/tiny/*/*.parquet")])
    return set(zip(data[answers["id"]], answers["text"], strict=True))


def judged(results: Path) -> int:
    """Prompts that a local judge ever read."""
    lines = [line for file in results.glob(".judgments/*.jsonl") for line in file.read_text().splitlines()]
    return sum(map(bool, lines))


def test_figures_beyond_all_need_what_is_theirs_and_nothing_else(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rules = {"causal", "judge_swapped", "causal_stats", "figures/causal_swap"}
    assert finished.planned("figures/causal_swap") == rules
    known = texts_judged(finished.folder / "results")
    made = finished.copy(tmp_path / "swapped").made("figures/causal_swap")
    results = made.folder / "results"
    for suffix in ("pdf", "png", "svg"):
        assert (results / f"figures/causal_swap.{suffix}").stat().st_size > 2000
    rows = pd.read_csv(results / "figures/causal_swap.csv").set_index(["variant", "measure"])
    assert rows.loc[("all", "identical"), ["mean", "examples"]].tolist() == [1, 6]
    assert rows.loc[("none", "base_agreeing_share"), "mean"].item() == 1
    swapped = pd.read_parquet(results / "causal/tiny/tiny/zero_shot.parquet")
    judgments = pd.read_parquet(results / "judgments/tiny/tiny/tiny/zero_shot.swapped.parquet").set_index("id")
    # Each of the new texts was judged once; decoded by the aligned model alone it is that model's judged response.
    new = set(zip(swapped["instruction"], swapped["text"], strict=True)) - known
    assert judged(results) - judged(finished.folder / "results") == len(new) > 0
    own = pd.read_parquet(results / "judgments/tiny/tiny/tiny_aligned/aligned.parquet").set_index("id")
    for example in own.index.unique():
        pd.testing.assert_frame_equal(
            judgments.loc[[f"{example}#all"]].reset_index(drop=True), own.loc[[example]].reset_index(drop=True)
        )
    assert rows.loc[("all", "score_above_aligned"), ["mean", "low", "high"]].tolist() == [0, 0, 0]
    assert rows.loc[("none", "score_above_base"), "mean"] == 0
    assert rows.loc[("none", "score"), ["examples", "unscored"]].tolist() == [4, 0]
    assert compared_with_declaration(results)[1] == []
    assert made.planned("figures/all") == set()
    made.made()
    listed = json.loads((results / "manifest.json").read_text())["results"]
    assert listed["figures/causal_swap"]["models"] == ["tiny_aligned", "tiny_base", "tiny_judge"]
    changes = {
        "stats.seed=1": {"causal_stats", "figures/causal_swap"},
        "causal.seed=1": rules,
        "judge.max_tokens=5": rules - {"causal"},
        "judge=smollm2_local": rules - {"causal"} | {"model"},
        "judge=human": {"causal_stats", "figures/causal_swap"},  # votes on other texts: nobody scores these
        "judge.title=other": {"figures/causal_swap"},
        "figure.shifted=black": {"figures/causal_swap"},
    }
    (made.folder / "votes.csv").write_text("id,system_a,system_b,vote\n")
    commands = {change: made.command("figures/causal_swap", hydra=(change,)) for change in changes}
    commands["all"] = made.command("figures/all")
    assert {change: set(plan) for change, plan in plans(made.folder, commands).items()} == changes | {"all": set()}
    # The plan of a run (`python -m superficial plan`) is an upper bound of what it took.
    monkeypatch.chdir(made.folder)
    run = Experiment(Path("config"), ["experiment=smoke"])
    planned = Planner(run, machine(run.settings.plan, "cpu"), Path("no/results")).models.causal("tiny")
    done = json.loads(Path("results/causal/tiny/tiny/zero_shot.parquet.meta.json").read_text())
    assert 0 < done["fed_tokens"] <= planned.read + planned.made


def test_two_tokenizers_are_compared_by_spans_of_bytes(finished: Project, tmp_path: Path, tiny_models: Path):
    rules = {"byte_pair", "spans", "span_stats", "figures/byte_spans"}
    assert finished.planned("figures/byte_spans") == rules
    made = finished.copy(tmp_path / "spans")
    made.add_model("tiny_pieces", {"kind": "local", "path": str(tiny_models / "pieces")})
    made.add_pair("split", "tiny_pieces", "tiny_aligned")
    both = ("pairs=[tiny,split]",)
    results = made.made("figures/byte_spans", hydra=both).folder / "results"
    for suffix in ("pdf", "png", "svg"):
        assert (results / f"figures/byte_spans.{suffix}").stat().st_size > 2000
    assert set(pd.read_csv(results / "figures/byte_spans.csv")["pair"]) == {"tiny", "split"}
    answers = pd.read_parquet(results / "responses/tiny/tiny_aligned/aligned.parquet").set_index("id")["token_ids"]
    for pair in ("tiny", "split"):
        spans = pd.read_parquet(results / f"spans/tiny/{pair}/zero_shot.parquet").groupby("example_id")["aligned_ids"]
        assert {name: [token for ids in rows for token in ids] for name, rows in spans} == {
            name: ids.tolist() for name, ids in answers.items()
        }
    work = json.loads((results / "spans/tiny/tiny/zero_shot.parquet.meta.json").read_text())
    assert work["forward_passes"] <= 6  # the aligned side was scored: only what the base splits otherwise is read
    assert made.planned("figures/byte_spans", hydra=(*both, "stats.seed=1")) == rules - {"byte_pair", "spans"}


def test_a_prompt_is_searched_and_is_a_method_then(finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    targets = ("figures/prompt_search", "tables/prompt_search")
    rules = {"prompt_search", "prompt_search_stats", *targets}
    assert finished.planned(*targets) == rules
    made = finished.copy(tmp_path / "searched").made(*targets)
    folder = made.folder / "results/search/tiny/tiny"
    found = json.loads((folder / "urial_k3.json").read_text())
    rows = pd.read_csv(made.folder / "results/tables/prompt_search.csv").set_index(["half", "prompt", "measure"])
    assert rows.loc[("test", "found", "gain"), "examples"] == 3
    assert rows.loc[("test", "found", "kl"), "shown"] == ", ".join(found["prompts"]["found"])
    assert rows.loc[("search", "candidates", "candidates"), "value"] == len(found["steps"][0]["candidates"]) * 2 - 1
    for suffix in ("pdf", "png", "svg"):
        assert (made.folder / f"results/figures/prompt_search.{suffix}").stat().st_size > 2000
    assert "found" in (made.folder / "results/tables/prompt_search.md").read_text()
    assert made.planned("figures/all") == set()
    assert made.planned(*targets, hydra=("figure.dpi=90",)) == {"figures/prompt_search"}
    assert made.planned(*targets, hydra=("stats.seed=1",)) == rules - {"prompt_search"}
    assert made.planned(*targets, hydra=("search.seed=1",)) == rules
    # The plan of a run is an upper bound of what it took.
    done = json.loads((folder / "urial_k3.json.meta.json").read_text())
    with monkeypatch.context() as patch:
        patch.chdir(made.folder)
        run = Experiment(Path("config"), ["experiment=smoke"])
        planned = Planner(run, machine(run.settings.plan, "cpu"), Path("no/results")).models.prompt_search("tiny")
    assert 0 < found["cost"]["fed_tokens"] < done["fed_tokens"] <= planned.read
    # What was found is a file for config/method/; scored and compared like any other one it has the KL that was found.
    shutil.copy(folder / "urial_k3_found.yaml", made.folder / "config/method")
    made.made("results/shifts/tiny/tiny/urial_k3_found.parquet", hydra=("contexts=[urial_k3_found]",))
    table = pd.read_parquet(made.folder / "results/shifts/tiny/tiny/urial_k3_found.parquet")
    kl = table.groupby("example_id")["kl_aligned_base"].sum()
    for one in found["responses"]:
        if one["half"] == "test" or one["tokens"] < 64:
            assert one["found"] == pytest.approx(kl[one["id"]], abs=1e-3)
