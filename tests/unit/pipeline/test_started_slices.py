"""What a server that a job starts has to do with slices: what decides its answers is in them, and nothing else."""

import json
from pathlib import Path

import pytest

from superficial.artifacts.errors import UserError
from superficial.config.schema.model import LocalSource
from superficial.pipeline.checks import check_run
from superficial.pipeline.run import Run
from superficial.pipeline.slices.judging import judge_model

CONFIG = Path(__file__).resolve().parents[3] / "config"
DECODING = {"generate": "zero_shot", "prefill": "zero_shot", "handoff": ""}


def slices(*overrides: str) -> dict[str, str]:
    run = Run(CONFIG, [*overrides])
    return {stage: run.slice(stage, name) for stage, name in DECODING.items()}


def test_every_stage_that_decodes_knows_who_does_it():
    here, there = slices(), slices("engine=vllm")
    assert {stage for stage in here if here[stage] != there[stage]} == set(DECODING)
    # What was made before this was known stays as good as it is.
    assert "server" not in json.loads(here["prefill"])
    assert "server" not in json.loads(here["handoff"])


def test_how_it_is_started_is_in_no_slice_but_reaches_the_stage():
    changes = (
        "engine.python=/other/python", "engine.concurrency=3", "engine.timeout_s=5", "engine.start_s=6",
        "engine.environment.VLLM_CPU_KVCACHE_SPACE='1'",
    )  # fmt: skip
    assert slices("engine=vllm", *changes) == slices("engine=vllm")
    engine = json.loads(Run(CONFIG, ["engine=vllm", *changes]).runtime)["engine"]
    assert (engine["python"], engine["concurrency"], engine["start_s"]) == ("/other/python", 3, 6)
    assert slices("engine=vllm", "engine.cpu_arguments='--quantization fp8'") != slices("engine=vllm")


def test_a_judge_may_be_a_folder_or_a_repository(tmp_path: Path):
    """It becomes a model of the run, which the workflow fetches, and for which a job asks memory."""
    for where, kind in ((str(tmp_path), "local"), ("org/judge-7b", "hub")):
        run = Run(CONFIG, ["judge=vllm_local", f"judge.model='{where}'"])
        judge = run.judge("vllm_local")
        assert judge.title == f"{where} (vLLM)"
        (manifest,) = judge_model(judge)
        name = Path(manifest).parent.name
        assert name in run.model_names
        source = run.model(name).source
        assert source.kind == kind
        assert (source.path if isinstance(source, LocalSource) else source.repo) == where
        assert json.loads(run.slice("judge", "vllm_local/m.k"))["judge"]["model"] == name
        assert json.loads(run.runtime)["started_judges"]["vllm_local"]["concurrency"] == 256
    named = Run(CONFIG, ["judge=vllm_local"])
    assert judge_model(named.judge("vllm_local")) == ["results/models/smollm2_135m_instruct/manifest.json"]
    with pytest.raises(UserError, match="judge vllm_local, key model: no model nothing: no folder, and no ORG/MODEL"):
        assert Run(CONFIG, ["judge=vllm_local", "judge.model=nothing"]).model_names


@pytest.mark.parametrize("group", ["engine=vllm", "judge=vllm_local"])
def test_without_the_interpreter_nothing_begins(group: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(CONFIG.parent)
    key = group.split("=")[0]
    with pytest.raises(UserError, match=f"config, {key}.*key python: no interpreter /no/python.*make vllm"):
        check_run(Run(Path("config"), [group, f"{key}.python=/no/python"]))
