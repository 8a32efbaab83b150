"""Why a job would run: asked of the real Snakemake about a workflow of three rules."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from superficial.artifacts.errors import UserError
from superficial.pipeline.dryrun import PlannedJob, planned_jobs, read_jobs
from superficial.pipeline.why import causes_of, differences, explain

SNAKEFILE = r"""
import json
CFG = json.dumps({"tokens": int(config.get("tokens", 1)), "template": "now: {instruction}; 'fence'\n"})
STAGE = f"python stage.py"

rule collect:
    input: "out.txt"

rule answer:
    input: code=["stage.py", *config.get("more", [])]
    output: "answers/{model}.txt"
    params: cfg=lambda wildcards: CFG
    shell: "{STAGE} --cfg {params.cfg:q} {output}"

rule score:
    input: "answers/{model}.txt"
    output: "scores/{model}.txt"
    shell: "cat {input} > {output}"

rule table:
    input: expand("scores/{model}.txt", model=["a", "b"])
    output: "out.txt"
    shell: "cat {input} > {output}"
"""
STAGE = (
    "import json, sys\n_, _, cfg, out = sys.argv\nopen(out, 'w').write(cfg)\n"
    "open(out + '.meta.json', 'w').write(json.dumps({'config': json.loads(cfg)}))\n"
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "stage.py").write_text(STAGE)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(command, cwd=folder, check=True, env=os.environ | {"PATH": path})
    return folder


def test_a_value_a_file_and_a_lost_artifact_are_told_apart(finished: Path, monkeypatch: pytest.MonkeyPatch):
    """One run after the other, because the finished one is shared and each look takes a second."""
    monkeypatch.chdir(finished)
    assert explain(planned_jobs([])) == ["nothing to do"]
    changed = planned_jobs(["--config", "tokens=2"])
    assert {job.rule for job in changed} == {"answer", "score", "table"}
    assert {job.slice["tokens"] for job in changed if job.rule == "answer"} == {2}
    below = "5 jobs would run: 2 for these reasons, 3 hang below them"
    assert sorted(explain(changed)[1].strip(" )").removeprefix("answer (").split(", ")) == ["a", "b"]
    assert [explain(changed)[at] for at in (0, 2)] == ["tokens: 1 → 2", below]
    (finished / "new.py").write_text("")
    os.utime(finished / "new.py", (1, 1))  # older than what was made
    assert explain(planned_jobs(["--config", "more=[new.py]"]))[0] == "other inputs: + new.py"
    for name in ("answers/b.txt", "scores/b.txt", "out.txt"):
        (finished / name).unlink()
    # What made the answer is told beside it; of the others only the first has nothing above it.
    assert explain(planned_jobs([])) == [
        "answers/b.txt gone", "    answer (b)", "3 jobs would run: 1 for these reasons, 2 hang below them",
    ]  # fmt: skip
    assert explain(planned_jobs(["scores/c.txt"]))[0] == "not made yet"
    (finished / "stage.py").write_text(f"{STAGE}\n")
    assert "stage.py changed" in explain(planned_jobs([]))


def test_a_workflow_that_refuses_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "Snakefile").write_text('import sys\nsys.exit("error: config, key x: wrong | remedy: mend it")\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^config, key x: wrong \| remedy: mend it$"):
        planned_jobs([])


def test_several_grounds_of_one_job_all_count(tmp_path: Path):
    artifact = tmp_path / "a.txt"
    (tmp_path / "a.txt.meta.json").write_text(json.dumps({"config": {"k": 3, "text": "a; b"}}))
    command = f"stage --cfg '{json.dumps({'k': 4, 'text': 'a; b'})}'"
    reason = (
        "Updated input files: x.py, y.py; Code has changed since last execution; "
        "Params have changed since last execution: before: '{a; b}' now: x "
    )
    job = PlannedJob("answer", ["x.py"], [str(artifact)], {}, reason, command)
    assert list(causes_of(job)) == ["k: 3 → 4", "x.py, y.py changed", "the rule itself changed, in workflow/"]
    job.reason = "Missing output files: a.txt; Input files updated by another job: b.txt"
    (tmp_path / "a.txt.meta.json").unlink()
    assert list(causes_of(job)) == []


def test_long_texts_are_cut_to_where_they_part():
    (line,) = differences({"template": "x" * 200 + "a" + "y" * 200}, {"template": "x" * 200 + "b" + "y" * 200})
    assert "xa" in line
    assert "xb" in line
    assert len(line) < 160
    assert list(differences({"k": [{"name": "a", "n": 1}]}, {"k": []})) == ['k: − "a"']
    assert list(differences({"k": [1, 2]}, {"k": [2, 1]})) == ["k: another order"]
    assert list(differences({"k": 1}, {"j": 1})) == ["k: 1 → <nothing>", "j: <nothing> → 1"]


def test_jobs_that_only_collect_are_no_work():
    text = "rule collect:\n    input: a\n    jobid: 0\nShell command: None\n\nlocalrule one:\n    output: a, b\n    jobid: 1\n"
    (job,) = read_jobs(text)
    assert (job.rule, job.outputs, job.slice) == ("one", ["a", "b"], None)


def test_work_that_is_done_beforehand_has_no_cause_of_its_own():
    """Its marker is always missing: the job that wants it is what runs."""
    marker = "results/.shards/responses/d/m/k/together"
    job = PlannedJob("generate_together", outputs=[marker], reason=f"Missing output files: {marker}")
    assert explain([job]) == ["1 jobs would run: 0 for these reasons, 1 hang below them"]


def test_states_that_were_deleted_once_compared_are_told_from_lost_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    job = PlannedJob("score", outputs=["a.safetensors"], reason="Missing output files: a.safetensors")
    said = {None: "not made yet", True: "a.safetensors gone"}
    said[False] = "a.safetensors deleted once compared (runtime.keep_states=false)"
    for kept, expected in said.items():
        if kept is not None:
            Path("a.safetensors.meta.json").write_text(json.dumps({"config": None, "kept": kept}))
        assert list(causes_of(job)) == [expected]
