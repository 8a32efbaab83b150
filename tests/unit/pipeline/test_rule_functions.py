"""What rules ask for by a job's wildcards: files, models, threads, cards, memory, time."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.project import ROOT

from superficial.artifacts.errors import UserError
from superficial.pipeline.job_inputs import JobInputs
from superficial.pipeline.job_resources import JobResources
from superficial.pipeline.run import Run
from superficial.pipeline.targets import outputs_of
from superficial.views.declared import declared

LARGE = "pair=llama2_70b_chat"


def inputs(*overrides: str) -> JobInputs:
    return JobInputs(Run(ROOT / "config", overrides))


def job(**wildcards: str) -> SimpleNamespace:
    return SimpleNamespace(**wildcards)


def test_a_pair_names_its_models_responses_and_scores():
    one, of = inputs(), job(pair="gemma3_270m", dataset="demo", side="aligned", model="m")
    assert one.both_models(of) == ["gemma3_270m", "gemma3_270m_chat"]
    assert one.answering_side(of) == ["gemma3_270m_chat"]
    assert one.manifest("base")(of) == "results/models/gemma3_270m/manifest.json"
    assert one.responses(of) == "results/responses/demo/gemma3_270m_chat/aligned.parquet"
    assert one.aligned_score(of) == "results/scores/demo/gemma3_270m/aligned.aligned.safetensors"


def test_a_stage_of_training_has_the_aligned_score_of_its_pair():
    run = Run(ROOT / "config", ["experiment=stages"])
    pair = next(pair for pair in run.pairs.values() if pair.stages)
    one, stage = JobInputs(run), next(iter(pair.stages))
    of = job(pair=f"{pair.name}.{stage}", dataset="demo")
    assert one.aligned_score(of) == f"results/scores/demo/{pair.name}/aligned.aligned.safetensors"
    assert one.base_model(of) == [pair.stages[stage].name]
    tables = one.stage_tables(job(pair=pair.name, dataset="demo"))
    assert tables == [f"results/shifts/demo/{pair.name}.{name}/aligned.parquet" for name in pair.stages]


def test_an_adapter_hangs_on_its_base_and_its_files(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    one, of = inputs(), job(model="gemma3_270m_chat")
    assert one.base_manifest(of) == "results/models/gemma3_270m/manifest.json"
    assert all(Path(file).is_file() for file in one.adapter_files(of))
    assert (one.base_manifest(job(model="gemma3_270m")), one.adapter_files(job(model="gemma3_270m"))) == ([], [])


def test_a_server_holds_the_models_that_answer_and_only_a_local_judge_holds_one():
    of = job(model="m", judge="smollm2_local")
    assert inputs().answering_models(of) == ["m"]
    assert inputs("engine=openai_server").answering_models(of) == []
    assert inputs().judging_models(of) == ["smollm2_135m_instruct"]
    assert inputs().judging_models(job(judge="gpt4")) == []


def test_shards_are_named_after_what_the_stage_reads():
    class Wildcards(dict[str, str]):
        """As Snakemake has them: by attribute and as a mapping."""

        __getattr__ = dict.__getitem__

    of = Wildcards(method="zero_shot", artifact="responses/a", key="k")
    marker = inputs().shared("generate", "{method}", "responses/{method}")(of)
    other = inputs("generate.max_new_tokens=7").shared("generate", "{method}", "responses/{method}")(of)
    assert os.path.dirname(os.path.dirname(marker)) == "results/.shards/responses/zero_shot"
    assert marker != other
    assert inputs().shards(of) == []
    assert inputs("runtime.shards=2").shards(of) == [f"results/.shards/responses/a/k/{n}-of-2" for n in (1, 2)]


def test_one_server_of_a_job_answers_all_methods_of_a_model():
    def shards(system: str, *overrides: str, dataset: str = "demo") -> list[str]:
        return inputs("engine=vllm", *overrides).shards(job(artifact=f"responses/{dataset}/{system}", key="k"))

    (found,) = shards("gemma3_270m/zero_shot")
    assert found.startswith("results/.shards/responses/demo/gemma3_270m/")
    assert shards("gemma3_270m/urial_k3") == [found]
    assert shards("gemma3_270m/zero_shot", "generate.max_new_tokens=7") != [found]
    assert shards("gemma3_270m/zero_shot", "methods=[zero_shot,urial_k3]") != [found]
    # Not by whom no method is shared: one method alone, another one than the run's, or instructions of another kind.
    assert shards("gemma3_270m_chat/aligned") == shards("gemma3_270m/urial_k8") == []
    assert shards("gemma3_270m/zero_shot", "methods=[zero_shot]") == shards("gemma3_270m/zero_shot", dataset="x") == []
    assert shards("zero_shot", dataset="demo/gemma3_270m/x") == []
    for engine in ("engine=transformers", "engine=openai_server"):
        assert shards("gemma3_270m/zero_shot", engine) == []
    assert len(shards("gemma3_270m/zero_shot", "runtime.shards=2")) == 2


def test_prompt_files_of_all_methods_stand_in_the_order_of_the_slice():
    run = Run(ROOT / "config", ["engine=vllm"])
    methods = json.loads(run.slice("generate_together", "gemma3_270m"))["methods"]
    assert len(methods) > 2
    assert all(methods[name] == json.loads(run.slice("generate", name)) for name in methods)
    files = [file for name in methods for file in run.prompt_files(name)]
    assert len(files) > 1
    assert JobInputs(run).prompt_files_together(job(model="gemma3_270m")) == files


def test_a_large_model_gets_all_cores_and_as_many_cards_as_it_fills():
    run = Run(ROOT / "config", [LARGE])
    one, pair = JobInputs(run), next(iter(run.pairs))
    needs, of = JobResources(run, 8, cards=0), job(pair=pair)
    asked = needs.holding(one.base_model)
    assert needs.threads_with(one.base_model)(of) == 8
    assert asked["gpu"](of) == 3  # 138 GB and a quarter more, on cards of 80 GB
    assert asked["mem_mb"](of, 2) == 2 * asked["mem_mb"](of, 1) > 300_000
    assert needs.holding(one.both_models, at_once=True)["gpu"](of) == 5
    assert asked["nodes"](of) == 1

    small = Run(ROOT / "config", [])
    of = job(pair="gemma3_270m")
    assert JobResources(small, 8, cards=0).threads_with(JobInputs(small).both_models)(of) == 4
    assert JobResources(small, 8, cards=1).threads_with(JobInputs(small).both_models)(of) == 8
    assert JobResources(small, 1, cards=0).half == 1


def test_no_job_asks_for_more_time_than_its_partition_gives():
    def minutes(*overrides: str) -> list[int]:
        run = Run(ROOT / "config", [LARGE, *overrides])
        asked = JobResources(run, 8, cards=0).holding(JobInputs(run).base_model)
        return [asked["runtime"](job(pair=next(iter(run.pairs))), attempt) for attempt in (1, 2, 3)]

    first, *more = minutes()
    assert 23 * 60 < first < 24 * 60  # half an hour, and ten minutes for each of 138 GB
    assert more == [24 * 60] * 2
    assert minutes("runtime.job_hours=1.5") == [90] * 3
    assert minutes("runtime.job_hours=100") == [first, 2 * first, 3 * first]


def test_no_job_asks_for_more_memory_than_its_partition_gives():
    def megabytes(*overrides: str) -> list[int]:
        run = Run(ROOT / "config", [LARGE, *overrides])
        asked = JobResources(run, 8, cards=0).holding(JobInputs(run).base_model)
        return [asked["mem_mb"](job(pair=next(iter(run.pairs))), attempt) for attempt in (1, 2, 3)]

    first = megabytes()[0]
    assert megabytes() == [first, 2 * first, 3 * first]
    assert megabytes("runtime.job_gb=500") == [first, 2 * first, 500_000]
    assert megabytes("runtime.job_gb=64") == [64_000] * 3


def test_cards_are_as_large_as_they_are():
    """Those of this machine, unless the configuration says how large they are."""

    def cards(card_gb: float | None, *overrides: str) -> int:
        run = Run(ROOT / "config", [LARGE, *overrides])
        asked = JobResources(run, 8, cards=8, card_gb=card_gb).holding(JobInputs(run).base_model)
        return int(asked["gpu"](job(pair=next(iter(run.pairs)))))

    assert cards(None) == cards(80) == 3
    assert cards(25.8) == cards(80, "runtime.gpu_gb=25.8") == 7
    assert cards(150.8, "runtime.gpu_gb=80") == 3
    for wrong in ("0", "-1", "large"):
        with pytest.raises(UserError, match=r"runtime\.gpu_gb"):
            cards(None, f"runtime.gpu_gb={wrong}")


def test_jobs_on_several_cards_share_the_cores():
    """Eight cards, eight jobs; one that fills three gets the cores of three."""
    small, large = Run(ROOT / "config", []), Run(ROOT / "config", [LARGE])
    of_small, of_large = job(pair="gemma3_270m"), job(pair=next(iter(large.pairs)))
    needs = JobResources(small, 32, cards=8)
    assert needs.threads_with(JobInputs(small).both_models)(of_small) == 4
    assert needs.holding(JobInputs(small).both_models)["gpu"](of_small) == 1
    assert JobResources(large, 32, cards=8).threads_with(JobInputs(large).base_model)(of_large) == 12
    assert JobResources(large, 32, cards=2).threads_with(JobInputs(large).base_model)(of_large) == 32
    assert JobResources(small, 2, cards=8).half == 1
    assert JobResources(small, 8, cards=1).half == 8


def test_a_report_shows_the_svg_of_what_figures_all_makes():
    shown: dict[str, dict[str, object]] = {}

    def report(path: str, **given: object) -> str:
        shown[path] = given
        return path

    assert outputs_of("figures/shift_ratio", report) == list(declared()["figures/shift_ratio"].view.out)
    assert list(shown) == ["results/figures/shift_ratio.svg"]
    (given,) = shown.values()
    assert given["caption"] == str(Path("results/report/figures/shift_ratio.rst").resolve())
    assert given["labels"] == {"result": declared()["figures/shift_ratio"].title}
    shown.clear()
    assert outputs_of("figures/stage_ladder", report) == list(declared()["figures/stage_ladder"].view.out)
    assert shown == {}
