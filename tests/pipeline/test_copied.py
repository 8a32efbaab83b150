"""Results that came without `.snakemake/`: what stands there is compared all the same."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from support.plans import plans
from support.project import Project

CHANGES = (
    "",
    "figure.dpi=100",
    "compare.top_k=5",
    "generate.max_new_tokens=12",
    "stats.seed=1",
    "+pair.aligned.dtype=bfloat16",
    "dataset.limit=4",
)


def copied(finished: Project, folder: Path) -> Project:
    """As after `scp -r results`: no records, and times that say nothing."""
    project = finished.copy(folder)
    shutil.rmtree(project.folder / ".snakemake")
    files = [file for file in (project.folder / "results").rglob("*") if file.is_file()]
    random.Random(0).shuffle(files)
    for second, file in enumerate(files):
        os.utime(file, (1_900_000_000 + second, 1_900_000_000 + second))
    return project


@pytest.mark.fault("files", "results were copied without Snakemake's records", "handled: nothing is made again")
def test_a_copy_without_records_plans_what_the_original_plans(finished: Project, tmp_path: Path):
    project = copied(finished, tmp_path / "copied")
    commands = {change: project.command("figures/all", hydra=(change,) if change else ()) for change in CHANGES}
    expected = plans(finished.folder, commands)
    assert not expected[""]
    assert expected["+pair.aligned.dtype=bfloat16"]["model"] == 1
    assert plans(project.folder, commands) == expected


@pytest.mark.fault("files", "copied results belong to another model", "handled: they are made again")
def test_another_model_in_the_same_pair_makes_its_results_anew(finished: Project, tmp_path: Path):
    """Both models' answers are there, and older than what was made from the first one: times alone say nothing."""
    project = copied(finished, tmp_path / "copied")
    results = project.folder / "results"
    project.add_model("tiny_twin", {"kind": "local", "path": "twin"})
    for made in (results / "models/tiny_aligned", results / "responses/tiny/tiny_aligned"):
        other = made.with_name("tiny_twin")
        shutil.copytree(made, other)
        for file in filter(Path.is_file, other.rglob("*")):
            if file.suffix == ".json":
                meta = json.loads(file.read_text().replace("tiny_aligned", "tiny_twin"))
                if meta.get("stage") == "model":
                    meta["config"]["source"]["path"] = "twin"
                file.write_text(json.dumps(meta))
            os.utime(file, (1_800_000_000, 1_800_000_000))
    target = "figures/shift_ratio"
    twin = {"twin": project.command(target, hydra=("model@pair.aligned=tiny_twin",))}
    anew = {"pair": 1, "score": 2, "compare": 1, "kinds": 1, "stats": 1, target: 1}
    assert plans(project.folder, twin) == {"twin": anew}
    assert plans(project.folder, twin) == {"twin": anew}
    assert plans(project.folder, {"own": project.command(target)}) == {"own": {}}
    assert plans(project.folder, twin) == {"twin": anew}
