"""Kill -9 at any moment: the same command goes on, and the end is that of an undisturbed run."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.project import ROOT, Project

SEED = 6  # of the moments at which a run is killed


def hashes(project: Project) -> dict[str, str]:
    """Every artifact but sidecars and logs, which may differ between equal runs, and the manifest that is made of them."""
    logs = project.folder / "results/logs"
    files = sorted((project.folder / "results").rglob("*"))
    return {
        str(file.relative_to(project.folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
        and not file.name.endswith(".meta.json")
        and file != project.folder / "results/manifest.json"
        and not file.is_relative_to(logs)
        and not any(part[0] == "." for part in file.parts)
    }


@pytest.mark.fault(
    "operating system",
    "kill -9 of a run or of one job, at random moments",
    "handled: the same command ends with the same bytes",
)
def test_a_run_killed_at_random_moments_ends_bit_for_bit_alike(finished: Project, project: Project):
    """Kill -9 of everything, of one job alone, of everything again: the same command goes on to the same artifacts."""
    chance = random.Random(SEED)
    moments = sorted(chance.sample(range(2, 40), 3))
    print(f"seed {SEED}: killed when {moments} artifacts are there")
    for moment, victim in zip(moments, ("run", "job", "run"), strict=True):
        moment = max(moment, finished_artifacts(project) + 1)  # a run that has made nothing may not hold its lock yet
        process = subprocess.Popen(
            project.command("figures/all"), cwd=project.folder, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "2"},
        )  # fmt: skip
        while process.poll() is None and finished_artifacts(project) < moment:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 3))
        if victim == "job":
            kill_a_job(process)
            assert process.wait() != 0
        else:
            os.killpg(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    assert "its lock is released" in project.run("figures/all").stdout
    assert project.planned() == set()
    assert hashes(project) == hashes(finished)
    for store in (project.folder / "results").glob(".*/*.jsonl"):
        entries = [json.loads(line) for line in store.read_text().splitlines() if line.strip().endswith("}")]
        assert len({entry["key"] for entry in entries}) == len(entries)  # nothing that was kept was made twice


@pytest.mark.fault(
    "operating system",
    "kill -9 or a power cut in the middle of any kind of stage, at random moments; what was not flushed is lost",
    "handled: the same bytes at the end, no answer is made and no request paid for twice",
)
def test_every_kind_of_job_killed_anywhere_ends_alike(finished: Project, tiny_models: Path):
    """Fifty rounds of `python -m tests.kill`; each prints its seed, with which it can be repeated."""
    weights = {file: file.read_bytes() for file in tiny_models.rglob("*.safetensors")}
    command = [sys.executable, "-m", "tests.kill", "--rounds", "50", "--project", str(finished.folder)]
    run = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-4000:]
    assert {file: file.read_bytes() for file in weights} == weights  # models outside a run are only linked


def finished_artifacts(project: Project) -> int:
    """How many sidecars there are; folders may vanish while this looks."""
    return sum(name.endswith(".meta.json") for _, _, names in os.walk(project.folder / "results") for name in names)


def kill_a_job(run: subprocess.Popen[bytes]) -> None:
    """Kill -9 of the first process of a stage that `run` has, and of no other."""
    while run.poll() is None:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                session = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[3])
                if session == run.pid and b"\0--cfg\0" in (folder / "cmdline").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)
                    return
        time.sleep(0.01)
    raise AssertionError("the run ended without a job to kill")
