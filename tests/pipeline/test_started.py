"""`engine=vllm` for the workflow, with a server that starts at once: all methods of a model share one, and it ends."""

import sys
from pathlib import Path

import pandas as pd
import yaml
from support.behind import Behind, command
from support.project import Project

RESPONSES = ["tiny_base/zero_shot", "tiny_base/urial_k3", "tiny_aligned/aligned"]
BASE = [f"results/responses/tiny/{name}.parquet" for name in RESPONSES[:2]]
# Tables that say how near second choices were, which no server tells.
ABOUT_THE_ENGINE = {"responses"}
ENGINE = ("engine=behind",)


class Starts:
    """A project whose engine's server tells of every start."""

    def __init__(self, project: Project, backend: Behind, file: Path) -> None:
        self._file = file
        engine = yaml.safe_load((project.folder / "config/engine/vllm.yaml").read_text())
        engine |= {"python": sys.executable, "packages": ["pytest"], "cpu_arguments": ""}
        engine["command"] = command(backend, "--child", str(file))
        project.add("engine/behind", engine)

    def count(self) -> int:
        """Servers that were started until now."""
        return len(self._file.read_text().splitlines()) if self._file.is_file() else 0


def tables(project: Project) -> dict[str, bytes]:
    """Every table, and every file of statistics."""
    results = project.folder / "results"
    files = [file for name in ("tables", "stats") for file in (results / name).rglob("*.csv")]
    return {str(file.relative_to(results)): file.read_bytes() for file in files}


def test_all_tables_are_those_of_the_model_here(finished: Project, tmp_path: Path) -> None:
    twin = finished.copy(tmp_path / "project")
    with Behind() as backend:
        starts = Starts(twin, backend, tmp_path / "starts")
        assert {"generate", "generate_together", "prefill", "handoff"} <= twin.planned(hydra=ENGINE)
        twin.made(hydra=ENGINE)
        asked = len(backend.answers)
        assert twin.planned(hydra=ENGINE) == set()
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
    # Both methods of the base, the aligned model's one, both sides of prefill, and the hand-off.
    assert len(logs) == starts.count() == 5


def test_a_further_method_is_asked_for_alone(project: Project, tmp_path: Path) -> None:
    with Behind() as backend:
        starts = Starts(project, backend, tmp_path / "starts")
        project.made(*BASE, hydra=ENGINE)
        assert (starts.count(), len(backend.answers)) == (1, 12)
        made = [*BASE, "results/responses/tiny/tiny_base/urial_k1.parquet"]
        hydra = (*ENGINE, "methods=[zero_shot,urial_k3,urial_k1]")
        times = [(project.folder / file).stat().st_mtime_ns for file in BASE]
        project.made(*made, hydra=hydra)
        assert times == [(project.folder / file).stat().st_mtime_ns for file in BASE]
        assert (starts.count(), len(backend.answers)) == (2, 18)
        # Without the ledger everything is asked for again, by one server.
        for file in (*made, *(project.folder / "results/.requests").glob("*.jsonl")):
            (project.folder / file).unlink()
        project.made(*made, hydra=hydra)
        assert (starts.count(), len(backend.answers)) == (3, 36)


def test_what_dies_under_way_is_taken_up(project: Project, tmp_path: Path) -> None:
    """First the server, then the run between the answers and their tables."""
    assert "generate_together" not in project.planned(*BASE)  # the model here needs no server
    with Behind() as backend:
        starts = Starts(project, backend, tmp_path / "starts")
        dying = (*ENGINE, "engine.concurrency=1", "+engine.environment.DIE_AFTER='10'")
        failed = project.run(*BASE, hydra=dying)
        assert failed.returncode
        assert "died under way" in failed.stdout
        kept = len(backend.answers)
        assert 0 < kept < 12
        (log,) = (project.folder / "results/logs/shards").rglob("together.log")
        marker = log.relative_to(project.folder / "results/logs/shards").with_suffix("")
        project.made(f"results/.shards/{marker}", hydra=ENGINE)
        assert not any((project.folder / file).exists() for file in BASE)
        assert (starts.count(), len(backend.answers)) == (2, 12)
    project.made(*BASE, hydra=ENGINE)  # nobody could answer now
    assert starts.count() == 2
