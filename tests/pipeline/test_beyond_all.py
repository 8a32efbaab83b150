"""Figures beyond `figures/all` on top of a finished run, from the command line to the files."""

import json
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
