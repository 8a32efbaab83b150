"""Figures beyond `figures/all` on top of a finished run, from the command line to the files."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from project import Project

from superficial.config import Experiment
from superficial.plan.command import Planner
from superficial.plan.machine import machine


def test_figures_beyond_all_need_what_is_theirs_and_nothing_else(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rules = {"causal", "causal_stats", "figures/causal_swap"}
    assert finished.planned("figures/causal_swap") == rules
    made = finished.copy(tmp_path / "swapped").made("figures/causal_swap")
    results = made.folder / "results"
    for suffix in ("pdf", "png", "svg"):
        assert (results / f"figures/causal_swap.{suffix}").stat().st_size > 2000
    rows = pd.read_csv(results / "figures/causal_swap.csv").set_index(["variant", "measure"])
    assert rows.loc[("all", "identical"), ["mean", "examples"]].tolist() == [1, 6]
    assert rows.loc[("none", "base_agreeing_share"), "mean"].item() == 1
    assert made.planned("figures/all") == set()
    made.made()
    listed = json.loads((results / "manifest.json").read_text())["results"]
    assert listed["figures/causal_swap"]["models"] == ["tiny_aligned", "tiny_base"]
    assert made.planned("figures/all") == set()
    assert made.planned("figures/causal_swap", hydra=("stats.seed=1",)) == rules - {"causal"}
    assert made.planned("figures/causal_swap", hydra=("causal.seed=1",)) == rules
    # The plan of a run (`python -m superficial plan`) is an upper bound of what it took.
    monkeypatch.chdir(made.folder)
    run = Experiment(Path("config"), ["experiment=smoke"])
    planned = Planner(run, machine(run.settings.plan, "cpu"), Path("no/results")).models.causal("tiny")
    done = json.loads(Path("results/causal/tiny/tiny/zero_shot.parquet.meta.json").read_text())
    assert 0 < done["fed_tokens"] <= planned.read + planned.made


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
