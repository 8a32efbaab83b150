"""`engine=vllm` for the workflow, with a server that starts at once: every job that decodes starts one, and ends it."""

import sys
from pathlib import Path

import pandas as pd
import yaml
from support.behind import Behind, command
from support.project import Project

RESPONSES = ["tiny_base/zero_shot", "tiny_base/urial_k3", "tiny_aligned/aligned"]
# Tables that say how near second choices were, which no server tells.
ABOUT_THE_ENGINE = {"responses"}


def tables(project: Project) -> dict[str, bytes]:
    """Every table, and every file of statistics."""
    results = project.folder / "results"
    files = [file for name in ("tables", "stats") for file in (results / name).rglob("*.csv")]
    return {str(file.relative_to(results)): file.read_bytes() for file in files}


def test_all_tables_are_those_of_the_model_here(finished: Project, tmp_path: Path) -> None:
    twin = finished.copy(tmp_path / "project")
    with Behind() as backend:
        engine = yaml.safe_load((twin.folder / "config/engine/vllm.yaml").read_text())
        engine |= {"python": sys.executable, "packages": ["pytest"], "command": command(backend), "cpu_arguments": ""}
        twin.add("engine/behind", engine)
        hydra = ("engine=behind",)
        assert {"generate", "prefill", "handoff"} <= twin.planned(hydra=hydra)
        twin.made(hydra=hydra)
        asked = len(backend.answers)
        assert twin.planned(hydra=hydra) == set()
    for name in RESPONSES:
        here, there = (
            pd.read_parquet(one.folder / f"results/responses/tiny/{name}.parquet") for one in (finished, twin)
        )
        assert there["near_ties"].isna().all()
        pd.testing.assert_frame_equal(here.drop(columns="near_ties"), there.drop(columns="near_ties"))
    before, after = tables(finished), tables(twin)
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert {name for name in changed if Path(name).stem not in ABOUT_THE_ENGINE} == set()
    assert asked > 60
    logs = list((twin.folder / "results/logs").rglob("*.server.log"))
    assert len(logs) == 6  # three methods, both sides of prefill, and the hand-off
