"""The workflow through a real Slurm of two nodes: the same tables, after kills and out-of-memory, with shards."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project import Project
from support.slurm import Slurm, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "-")

# One method and a comparison less: what Slurm does with a job does not depend on how many there are.
SMALL = ("methods=[zero_shot]", "pairwise.systems=[{a:base.zero_shot,b:aligned}]", "runtime.generate_batch=2")
QUICK = (
    "--slurm-init-seconds-before-status-checks", "1", "--slurm-status-command", "squeue", "--seconds-between-status-checks",
    "1", "--latency-wait", "5", "--max-jobs-per-timespan", "1000/1s",
)  # fmt: skip


class ClusterProject(Project):
    """A project whose runs go through Slurm."""

    slurm: Slurm

    def command(self, *targets: str, hydra: tuple[str, ...] = (), arguments: tuple[str, ...] = ()) -> list[str]:
        profile = ("--workflow-profile", "profiles/slurm", *QUICK)
        return super().command(*targets, hydra=(*SMALL, *hydra), arguments=(*profile, *arguments))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    # Short and readable by all: munge refuses long paths of sockets and folders that others may write.
    found = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        found.start()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in found.environment.items():
                patch.setenv(name, value)
            yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Project:
    return Project(tmp_path_factory.mktemp("local") / "project", tiny_models).made(hydra=SMALL)


@pytest.fixture(scope="module")
def clustered(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> ClusterProject:
    """figures/all through Slurm, every stage in two shards."""
    project = ClusterProject(tmp_path_factory.mktemp("clustered") / "project", tiny_models)
    project.slurm = slurm
    project.made(hydra=("runtime.shards=2",))
    return project


def tables(project: Project) -> dict[str, bytes]:
    """What a run is about: every table, and what the tables were made from."""
    results = project.folder / "results"
    found = [file for kind in ("csv", "parquet", "md", "tex", "safetensors") for file in results.glob(f"**/*.{kind}")]
    return {
        str(file.relative_to(results)): file.read_bytes() for file in found if not _hidden(file.relative_to(results))
    }


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def test_slurm_and_local_run_end_with_the_same_bytes(local: Project, clustered: ClusterProject):
    ours, theirs = tables(clustered), tables(local)
    assert set(ours) == set(theirs)
    assert {name for name in ours if ours[name] != theirs[name]} == set()
    assert (clustered.folder / "results/figures/shift_ratio.pdf").is_file()
    assert (clustered.folder / "results/browser/index.html").is_file()


def test_models_got_a_card_and_shards_ran_on_both_nodes(clustered: ClusterProject):
    jobs = clustered.slurm.jobs()
    holding = [job for job in jobs if job["Partition"] == "gpu"]
    assert {job.get("TresPerJob") for job in holding} == {"gres:gpu:1"}
    # Two shards at a time, and each node has one card.
    assert {job["NodeList"] for job in holding if "ArrayTaskId" in job} == {"n1", "n2"}
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}


def test_another_number_of_shards_reruns_nothing(clustered: ClusterProject):
    for count in (1, 2, 3):
        assert clustered.planned(hydra=(f"runtime.shards={count}",)) == set()


def test_a_cancelled_job_ends_the_run_and_the_same_command_goes_on(
    local: Project, slurm: Slurm, tmp_path: Path, tiny_models: Path
):
    """A kill of the first job that decodes; without retries that is an error, and nothing made before is lost."""
    project = ClusterProject(tmp_path / "project", tiny_models)
    target = "results/responses/tiny/tiny_aligned/aligned.parquet"
    before = set(slurm.ask("squeue", "--states=all", "--noheader", "--format=%i").split())
    process = subprocess.Popen(
        project.command(target, arguments=("--retries", "0")), cwd=project.folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=os.environ | {"OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    cancelled = ""
    while process.poll() is None and not cancelled:
        rows = slurm.ask("squeue", "--noheader", "--format=%i|%k|%T").splitlines()
        running = [row.split("|")[0] for row in rows if "rule_generate" in row and row.endswith("RUNNING")]
        cancelled = next((job for job in running if job not in before), "")
        time.sleep(0.1)
    slurm.ask("scancel", cancelled)
    said = process.communicate()[0]
    assert process.returncode != 0, said[-3000:]
    assert cancelled
    assert not (project.folder / target).exists()
    manifest = project.folder / "results/models/tiny_aligned/manifest.json"
    made = manifest.stat().st_mtime_ns
    project.made(target)
    assert (project.folder / target).read_bytes() == (local.folder / target).read_bytes()
    assert manifest.stat().st_mtime_ns == made


def test_a_job_out_of_memory_is_tried_again_with_more(local: Project, slurm: Slurm, tmp_path: Path, tiny_models: Path):
    """`data` gets 60 MB, less than Python with pandas takes; Slurm kills it until there is enough."""
    project = ClusterProject(tmp_path / "project", tiny_models)
    target = "results/data/tiny.parquet"
    few = ("--set-resources", "data:mem_mb=60 if attempt < 2 else 4000", "--retries", "2")
    result = project.run(target, arguments=few)
    assert result.returncode == 0, result.stdout[-4000:]
    assert (project.folder / target).read_bytes() == (local.folder / target).read_bytes()
    assert "Trying to restart job" in result.stdout
    logs = "\n".join(file.read_text() for file in project.folder.glob(".snakemake/slurm_logs/**/*.log"))
    assert "exceeded memory limit" in logs
