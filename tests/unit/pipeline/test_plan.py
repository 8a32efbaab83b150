"""What a run would take: the formulas against counted work, and what a plan says of the paper's pairs."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from support.project import Project
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from superficial.artifacts.errors import UserError
from superficial.artifacts.table import write_table
from superficial.config.custom_pair import model_name
from superficial.config.schema import HubSource, LocalSource
from superficial.judging.judges.canaries import canary_texts, drawn_examples
from superficial.judging.judges.pairwise import both_orders
from superficial.pipeline.dryrun import PlannedJob
from superficial.pipeline.job_inputs import JobInputs
from superficial.pipeline.plan import flops
from superficial.pipeline.plan.command import Planner
from superficial.pipeline.plan.disk import others, states_at_once
from superficial.pipeline.plan.machine import Machine, machine
from superficial.pipeline.plan.sizes import Sizes
from superficial.pipeline.plan.text import assumptions, fits, states, table
from superficial.pipeline.plan.work import PlannedWork
from superficial.pipeline.run import Run

CONFIG = Path(__file__).resolve().parents[3] / "config"
NOWHERE = Path("no/results")
PAPER = ("pairs=[llama2_7b_chat,llama2_7b_vicuna,mistral_7b_instruct]", "dataset=just_eval", "plan.gpu=a100_80gb")


def planner(*overrides: str, results: Path = NOWHERE) -> Planner:
    run = Run(CONFIG, overrides)
    gpu = run.settings.plan.gpu or "rtx4090_24gb"
    plan = run.settings.plan.model_copy(update={"gpu": gpu})
    return Planner(run, machine(plan, "cpu"), results)


def job(rule: str, **about: str) -> PlannedJob:
    return PlannedJob(rule, outputs=["x"], wildcards=about)


def test_flops_are_those_that_torch_counts(tiny_models: Path):
    """Torch counts attention over all columns, the formula over those before a position: half of it."""
    model, tokens = AutoModelForCausalLM.from_pretrained(tiny_models / "base", attn_implementation="eager"), 64
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(input_ids=torch.zeros(1, tokens, dtype=torch.long), use_cache=False)
    sizes = Sizes(Run(CONFIG), NOWHERE)
    size = sizes._from_folder(
        sizes.run.model("gemma3_270m").model_copy(
            update={"source": LocalSource(kind="local", path=str(tiny_models / "base"))}
        )
    )
    assert size is not None
    assert size.parameters == sum(one.numel() for one in {id(one): one for one in model.parameters()}.values())
    half = flops.reading(size, 0, tokens) - 2 * flops.body_weights(size) * tokens
    planned = flops.reading(size, 0, tokens) + half + flops.logits(size, tokens)
    assert planned == pytest.approx(counter.get_total_flops(), rel=0.01)  # the norms are weights, and no product
    assert flops.reading(size, 0, 64) == flops.reading(size, 0, 40) + flops.reading(size, 40, 64)


def test_models_of_the_hub_have_an_architecture_that_agrees_with_itself():
    run = Run(CONFIG)
    for file in (CONFIG / "model").glob("*.yaml"):
        model = run.model(file.stem)
        if not isinstance(model.source, HubSource):
            continue
        size = model.architecture
        assert size is not None, file
        assert size.parameters * 2 / 1e9 == pytest.approx(model.memory_gb, rel=0.02), file
        # A gated feed-forward of two to six times the width, beside the projections of attention.
        projections = size.hidden * size.head_dim * 2 * (size.heads + size.kv_heads)
        width = (flops.body_weights(size) / size.layers - projections) / (3 * size.hidden**2)
        assert 2 < width < 6.1, (file, width)
        assert "architecture" not in run.slice("model", model.name)


def test_the_sizes_of_a_dataset_that_is_not_here_come_from_its_file():
    assert planner(*PAPER).sizes.instructions.count == 1000
    few = planner(*PAPER, "dataset.limit=850").sizes.instructions
    assert (few.regular, few.safety) == (800, 50)
    assert planner(*PAPER, "dataset.limit=8").sizes.instructions.safety == 0
    demo = planner("dataset.limit=20").sizes.instructions
    assert demo.count == 20
    with pytest.raises(UserError, match="nothing says how many instructions it holds"):
        _ = planner("dataset=just_eval", "dataset.size=null").sizes.instructions


def test_a_model_of_unknown_size_ends_in_one_line():
    with pytest.raises(UserError, match="nothing says how large it is, and it is not fetched yet"):
        planner("pair=custom", "base=org/a", "aligned=org/b").models.weights(model_name("org/a"))


def test_requests_are_the_items_that_a_judge_is_asked():
    plans = planner("judge=gpt4")
    answers, most = plans.sizes.run.settings.generate.max_new_tokens, plans.sizes.run.settings.judge.max_tokens
    about = {"judge": "gpt4", "model": "gemma3_270m_chat", "method": "aligned"}
    work = plans.work(job("judge", **about))
    assert (work.jobs, work.requests, work.repairs) == (1, 40, 40)
    price = plans.sizes.run.settings.judge.price
    assert work.usd > 2 * 40 * (answers * price.prompt + most * price.completion) / 1e6
    data = pd.DataFrame({"id": range(40), "category": ["regular"] * 30 + ["safety"] * 10, "instruction": "?"})
    settings, texts = plans.sizes.run.settings, dict.fromkeys(range(40), "")
    asked = len(canary_texts(Path(settings.canaries.file))) - 1  # the originals are known
    assert plans.work(job("canaries", **about)).requests == asked * settings.canaries.examples
    causal = settings.causal  # 7 variants, one of them for three k, and the base's own
    assert plans.work(job("judge_swapped", judge="gpt4", pair="gemma3_270m")).requests == 9 * causal.examples
    comparison = "gemma3_270m.urial_k3--gemma3_270m_chat.aligned"
    some = drawn_examples(data, settings.pairwise.examples, 0)
    work = plans.work(job("pairwise", judge="gpt4", comparison=comparison))
    assert work.requests == len(both_orders(some, texts, texts))
    assert planner("judge=imported").work(job("judge", **about | {"judge": "imported"})).requests == 0


def test_work_that_is_done_beforehand_is_counted_once():
    plans, about = planner(), {"model": "gemma3_270m", "method": "zero_shot"}
    alone = plans.stages([job("generate", **about)])["generate"].made
    for ahead in ("generate_shard", "generate_together"):
        found = plans.stages([job("generate", **about), job(ahead, model="gemma3_270m", dataset="demo", key="k")])
        assert {name: (work.jobs, work.made) for name, work in found.items()} == {"generate": (2, alone)}


def test_a_server_that_answers_is_asked_once_a_query():
    served = ("engine=openai_server", "engine.price={prompt: 1, completion: 10}")
    work = planner(*served).work(job("generate", model="gemma3_270m", method="zero_shot"))
    assert (work.requests, work.made, work.flops) == (40, 40 * 256, 0)
    assert work.usd == pytest.approx((work.read + 10 * work.made) / 1e6)


def test_finished_answers_take_the_place_of_the_bound(tmp_path: Path):
    rows = pd.DataFrame({"id": ["a", "b"], "prompt_ids": [[1] * 10, [1] * 30], "token_ids": [[1] * 5, [1] * 200]})
    plans = planner("generate.max_new_tokens=100", results=tmp_path)
    made = json.loads(plans.sizes.run.slice("generate", "aligned"))
    for model, length in (("gemma3_270m_chat", 200), ("gemma3_270m", 99)):
        file = tmp_path / f"responses/demo/{model}/aligned.parquet"
        write_table(rows, file)
        sidecar = json.dumps({"config": made | {"max_new_tokens": length}})
        file.with_name(f"{file.name}.meta.json").write_text(sidecar)
    assert plans.sizes.answer("gemma3_270m_chat", "aligned").mean == (5 + 100) / 2
    assert plans.sizes.prompt("aligned", "gemma3_270m_chat").mean == 20
    # Answers that were cut sooner than this run would cut them tell nothing.
    assert plans.sizes.answer("gemma3_270m", "aligned").mean == 100
    lines = "\n".join(assumptions(plans.sizes, DEVICE, requests=False))
    assert "from finished runs: gemma3_270m_chat.aligned 52 (mean of 2)" in lines
    assert "upper bound generate.max_new_tokens=100: gemma3_270m.zero_shot" in lines


def test_longer_prompts_and_larger_models_take_more():
    plans = planner(*PAPER)
    flop = [
        plans.work(job("generate", model="llama2_7b", method=name)).flops
        for name in ("zero_shot", "urial_k3", "urial_k8")
    ]
    assert flop == sorted(flop)
    # Two operations a weight and token are a lower bound, and most of it.
    least = 2 * 6.6e9 * 1000 * 256
    assert least < flop[0] < 1.5 * least
    score = plans.work(job("score", pair="llama2_7b_chat", side="base", seen="zero_shot"))
    assert score.disk == 1000 * 256 * 4096 * 2
    assert score.read > 1000 * 256
    assert plans.work(job("compare", pair="llama2_7b_chat")).flops == 2 * 2 * 32000 * 4096 * 256_000
    assert plans.work(job("handoff", pair="llama2_7b_chat")).made == 30 * 7 * 40
    prefill = plans.work(job("prefill", pair="llama2_7b_chat", side="base", seen="zero_shot"))
    settings = plans.sizes.run.settings.prefill
    given = len(settings.prefixes) - 1
    answers = plans.sizes.instructions.safety * (1 + len(settings.openings) * given)
    assert prefill.made == answers * settings.max_new_tokens


DEVICE = machine(Run(CONFIG, ["plan.gpu=a100_80gb"]).settings.plan, "cpu")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (PAPER, None),
        (("pair=llama2_70b_chat", "dataset=just_eval"), r"llama2_70b.* takes 15\d GB .*: 3 such devices would hold it"),
        (("pair=llama2_7b_chat", "runtime.generate_batch=400"), r"take runtime\.generate_batch=\d\d"),
    ],
)
def test_a_pair_that_does_not_fit_is_named(overrides: tuple[str, ...], told: str | None):
    plans = planner(*overrides, "plan.gpu=a100_80gb", "dataset=just_eval")
    lines = list(fits(plans.sizes, plans.models, DEVICE))
    refused = [line for line in lines if line.startswith("does not fit: pair")]
    assert lines[-1].startswith("memory: one model at a time")
    assert re.match(r"at a time: \d+ answers decoded .* [\d,]+ positions compared", lines[-2])
    assert len(refused) == (told is not None)
    if told is not None:
        assert re.search(told, refused[0]), refused[0]


def test_what_runs_no_model_takes_no_tokens():
    plans = planner("experiment=published", "published_dir=/nowhere")
    stages = plans.stages([job("published"), job("figures/dataset_stats"), job("tables/scores")])
    (work,) = stages.values()
    assert (work.jobs, work.read, work.flops, work.requests) == (3, 0, 0, 0)
    assert list(fits(plans.sizes, plans.models, DEVICE)) == []
    assert len(table(stages)) == 3
    # A stage that runs a model and that no formula knows is named, not taken for a light one.
    unknown = PlannedJob("align", ["results/models/x/manifest.json"], ["y"])
    assert set(plans.stages([job("data"), unknown])) == {"figures and the like", "align (not planned)"}


def test_the_states_on_the_disk_are_named():
    stages = {"score": PlannedWork(disk=2e9), "rescore": PlannedWork(disk=1e9), "compare": PlannedWork(disk=5e9)}
    at_once = "disk at most at a time: 5.5 GB, 500 MB of hidden states and 0 B of models in it"
    assert list(states(stages, 5e8, keep=True)) == [
        "disk: 3.0 GB of it are hidden states; runtime.keep_states=false deletes them after use",
        at_once,
    ]
    assert list(states(stages, 5e8, keep=False)) == [
        "disk: 3.0 GB of it are hidden states; each file is deleted once it is compared",
        at_once,
    ]
    assert not list(states({"generate": PlannedWork(disk=1e9)}, 0, keep=True))


@pytest.mark.parametrize(("keep", "most", "states_gb"), [("true", 48, 43), ("false", 16, 12.5)])
def test_the_results_of_the_papers_experiment_fit_on_a_disk(tmp_path: Path, keep: str, most: float, states_gb: float):
    """At the lengths of the published answers, 1.4 tokens a word; the five models take 69 GB beside them."""
    asked = ("experiment=paper", "plan.gpu=a100_80gb", f"runtime.keep_states={keep}")
    words = {"llama2_7b_chat": 247, "vicuna_7b_v1_5": 185, "mistral_7b_instruct": 155}
    run = Run(CONFIG, asked)
    assert {pair.aligned.name for pair in run.pairs.values()} == words.keys()
    for model, count in words.items():
        rows = pd.DataFrame({"id": ["a"], "prompt_ids": [[1] * 50], "token_ids": [[1] * round(1.4 * count)]})
        file = tmp_path / f"responses/just_eval/{model}/aligned.parquet"
        write_table(rows, file)
        file.with_name(f"{file.name}.meta.json").write_text(
            json.dumps({"config": json.loads(run.slice("generate", "aligned"))})
        )
    plans = planner(*asked, results=tmp_path)
    contexts = [run.settings.context.name, *run.settings.contexts]
    jobs = [
        job("model", model=name)
        for name in {side.name for pair in run.pairs.values() for side in (pair.base, pair.aligned)}
    ]
    for pair in run.pairs:
        jobs += [job("score", pair=pair, side="base", seen=seen) for seen in contexts]
        jobs += [job("compare", pair=pair, context=seen) for seen in contexts]
        jobs.append(job("score", pair=pair, side="aligned", seen="aligned"))
    stages = plans.stages(jobs)
    models = stages["model"].disk
    assert models / 1e9 == pytest.approx(69, abs=1)
    assert plans.states(jobs) / 1e9 == pytest.approx(states_gb, abs=1)
    assert (others(stages) - models + plans.states(jobs)) / 1e9 < most
    assert plans.states(jobs) < (stages["score"].disk / 3 if keep == "false" else 1e12)


def test_states_of_the_base_are_there_one_file_at_a_time():
    """That is what the rules make of it: the aligned side is scored first, and comparing goes before scoring on."""
    files = [(job("score", side="base", seen=str(n)), 2.0) for n in range(4)] + [(job("score", side="aligned"), 3.0)]
    assert states_at_once(files, keep=False, shards=1) == 3 + 2 * 2  # one that is written stands beside its batches
    assert states_at_once(files, keep=True, shards=1) == states_at_once(files, keep=False, shards=2) == 11 + 3
    assert states_at_once([], keep=False, shards=1) == 0
    before = {keep: JobInputs(Run(CONFIG, [f"runtime.keep_states={keep}"])).scored_before for keep in ("true", "false")}
    base, aligned = (
        SimpleNamespace(pair="gemma3_270m", dataset="demo", side=side, seen="s") for side in ("base", "aligned")
    )
    assert before["false"](base) == "results/scores/demo/gemma3_270m/aligned.aligned.safetensors"
    assert before["false"](aligned) == before["true"](base) == before["true"](aligned) == []


@pytest.mark.fault(
    "configuration", "a plan for a device that nobody knows", "one line that names file, key and remedy; exit code 2"
)
def test_an_unknown_device_ends_in_one_line():
    with pytest.raises(UserError, match=r"no device named tpu: take one of rtx3090_24gb.*"):
        Run(CONFIG, ["plan.gpu=tpu"])


def test_this_machine_is_measured():
    here = machine(Run(CONFIG).settings.plan, "cpu")
    assert here.width == 4
    assert here.flops > 1e8
    assert here.bandwidth > 1e8
    assert here.memory > 1e9


def test_the_roofline_is_the_slower_of_the_two():
    plan = Run(CONFIG, ["plan.reading=0.5", "plan.decoding=0.25"]).settings.plan
    device = Machine("x", 100.0, 10.0, 1.0, 2, plan)
    assert device.reading(100, 0) == 2
    assert device.reading(100, 100) == 20
    assert device.decoding(100, 100) == 40
    assert (PlannedWork(jobs=1, read=2) + PlannedWork(jobs=2, usd=1)) == PlannedWork(jobs=3, read=2, usd=1)


def test_a_project_of_local_models_is_planned_from_their_folders(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.folder)
    run = Run(Path("config"), ["experiment=smoke"])
    plans = Planner(run, DEVICE, Path("results"))
    work = plans.work(job("generate", model="tiny_base", method="urial_k3"))
    assert work.made == 6 * 24
    assert work.flops > 0
