"""The whole workflow on tiny models, as a user runs it."""

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.latex import typeset, with_latex
from support.plans import jobs_in, plans
from support.project import Project
from support.tiny import CHAT

from superficial.config.experiment import Experiment
from superficial.pipeline.dryrun import planned_jobs, read_jobs
from superficial.pipeline.plan.command import Planner
from superficial.pipeline.plan.machine import machine
from superficial.pipeline.why import causes_of, explain
from superficial.views.notes.caption import caption_file, plain

COLUMNS = [
    "example_id",
    "position",
    "token_id",
    "token",
    "base_rank",
    "base_prob",
    "aligned_rank",
    "aligned_prob",
    "kl_aligned_base",
    "kl_base_aligned",
    "js",
    "base_entropy",
    "aligned_entropy",
    "category",
    "base_top_ids",
    "base_top_probs",
    "aligned_top_ids",
    "aligned_top_probs",
]
IN_CONTEXT = ["urial_recovery", "entropy"]
FIGURES = [
    "shift_example", "shift_ratio", "shift_by_position", "shift_by_topic", "shift_by_kind", "prefix_handoff",
    "safety_depth", *IN_CONTEXT,
]  # fmt: skip


def test_every_figure_is_made_with_its_data(finished: Project):
    for link in ("index.html", "cases/index.html", "cases/../index.html"):  # the two sets of pages link to each other
        assert (finished.folder / "results/browser" / link).is_file()
    for figure in FIGURES:
        for suffix in ("pdf", "png", "svg"):
            assert (finished.folder / f"results/figures/{figure}.{suffix}").stat().st_size > 2000
        assert len(pd.read_csv(finished.folder / f"results/figures/{figure}.csv")) > 0, figure


def test_what_leads_to_the_first_figures_of_the_paper_goes_before_other_jobs(project: Project):
    text = project.run("figures/all", arguments=("--dry-run", "--quiet=host")).stdout
    makers = {output: job for job in read_jobs(text) for output in job.outputs}
    told = re.findall(r"^ +(output|priority): ([^,\n]+)", text, flags=re.M)  # each priority after its job's outputs
    early = {output for (_, output), (key, _) in pairwise(told) if key == "priority"}
    ahead, path = [f"results/figures/{name}.pdf" for name in ("shift_example", "shift_ratio", "shift_by_position")], {}
    while ahead:
        file = ahead.pop()
        path[file] = makers[file]
        ahead += [name for name in makers[file].inputs if name in makers and name not in path]
    assert {"model", "pair", "generate", "score", "compare", "kinds", "stats"} < {job.rule for job in path.values()}
    late = [job.rule for job in path.values() if job.outputs[0] not in early]
    assert set(late) == {"data"}  # seconds
    beside = {job.rule for output, job in makers.items() if output in early and output not in path}
    assert beside <= {"model", "compare", "handoff"}  # no other answers, and no other scores


def test_figures_and_captions_name_things_as_people_do(finished: Project):
    keys = re.compile(r"zero_shot|system_only|urial_k3|smollm2_local")
    pictures = sorted((finished.folder / "results/figures").glob("*.svg"))
    assert len(pictures) > len(FIGURES)
    for picture in pictures:
        said = plain(caption_file(picture).read_text(encoding="utf-8"))
        drawn = re.findall(r"<!-- (.*?) -->", picture.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert said.partition(". ")[0] in drawn, picture  # its title
        assert not keys.search(said), picture
        assert not [text for text in drawn if keys.search(text)], picture


def test_the_run_ends_with_a_page_that_links_to_everything(finished: Project):
    results = finished.folder / "results"
    links = set(re.findall(r'(?:href|src)="(?!data:)([^"]*)"', (results / "index.html").read_text(encoding="utf-8")))
    assert [link for link in links if not (results / link).is_file()] == []
    made = {str(file.relative_to(results)) for file in results.glob("figures/*.*") if file.suffix != ".json"}
    assert made <= links
    assert {"browser/index.html", "browser/cases/index.html", "tables/scores.csv"} <= links


@with_latex
def test_every_caption_compiles_beside_its_figure(finished: Project, tmp_path: Path):
    figures = finished.folder / "results/figures"
    lines = [
        rf"\begin{{figure}}\includegraphics[width=\linewidth]{{{figures}/{file.stem}.pdf}}"
        rf"\input{{{figures}/{file.stem}.caption.tex}}\end{{figure}}\clearpage"
        for file in sorted(figures.glob("*.pdf"))
    ]
    typeset("\n".join([r"\listoffigures", *lines]), tmp_path, "\\usepackage{graphicx}\n")


@with_latex
def test_every_latex_table_compiles(finished: Project, tmp_path: Path):
    tables = sorted((finished.folder / "results/tables").glob("*.tex"))
    assert [table.stem for table in tables] == ["findings", "pairwise", "responses", "scores", "urial_recovery"]
    typeset("".join(table.read_text() for table in tables), tmp_path)


def test_token_table_is_whole(finished: Project):
    table = pd.read_parquet(finished.folder / "results/shifts/tiny/tiny/zero_shot.parquet")
    answers = pd.read_parquet(finished.folder / "results/responses/tiny/tiny_aligned/aligned.parquet")
    assert set(COLUMNS) <= set(table.columns)
    # The ids are the generated ones, in their order.
    assert table["token_id"].tolist() == np.concatenate(answers["token_ids"].to_numpy()).tolist()
    assert (table["aligned_rank"] == 1).mean() >= 0.99
    assert table["base_top_ids"].map(len).eq(10).all()
    expected = np.where(table["base_rank"] == 1, "unshifted", np.where(table["base_rank"] <= 3, "marginal", "shifted"))
    assert (table["category"] == expected).all()
    assert set(table["category"]) == {"unshifted", "marginal", "shifted"}


def test_a_finished_run_has_nothing_to_do(finished: Project):
    assert "Nothing to be done" in finished.run("figures/all", arguments=("--dry-run",)).stdout
    changed = finished.run("figures/all", hydra=("figure.dpi=100",), arguments=("--dry-run",))
    assert re.search(r"^manifest +1$", changed.stdout, flags=re.M)


def test_looking_ahead_tells_the_truth(finished: Project, monkeypatch: pytest.MonkeyPatch):
    """`why` names the one value that changed, in the jobs that read it; `plan` bounds what the finished run counted."""
    monkeypatch.chdir(finished.folder)
    config = ("--config", "hydra=[experiment=smoke,generate.max_new_tokens=12]")
    (cause, readers, count) = explain(planned_jobs(("figures/all", *config)))
    assert cause == "max_new_tokens: 24 → 12"
    assert "generate (" in readers
    assert re.search(r"^(\d+) jobs would run: (\d+) for these reasons", count)
    jobs = planned_jobs(("figures/all", "--forceall", "--config", "hydra=[experiment=smoke]"))
    # Every sidecar holds the slice that its job has now: no value is named that did not change.
    assert {cause for job in jobs for cause in causes_of(job)} == {"asked for by --force, --forceall or --forcerun"}
    told = finished.run("figures/all", arguments=("--dry-run", "--forceall")).stdout
    assert len(jobs) == sum(jobs_in(told).values()) + 2  # the manifest and the page of results
    run = Experiment(Path("config"), ["experiment=smoke"])
    device = machine(run.settings.plan.model_copy(update={"gpu": "l4_24gb"}), "cpu")
    planner = Planner(run, device, Path("no/results"))
    stages = planner.stages(jobs)
    assert sum(stage.jobs for stage in stages.values()) == len(jobs)
    assert not [name for name in stages if "not planned" in name]
    made = ("made", "new_tokens")
    bounds = {"generate": made, "handoff": made, "prefill": made, "score": ("read", "fed_tokens")}
    checked = []
    for job in jobs:
        if job.rule in bounds:
            planned, done = bounds[job.rule]
            meta = json.loads(Path(f"{job.outputs[0]}.meta.json").read_text())
            assert 0 < meta[done] <= getattr(planner.work(job), planned), job
            checked.append(job.rule)
    assert set(checked) == set(bounds)


def test_a_further_context_is_one_scoring_and_one_comparison(finished: Project):
    """Nothing else of a model's: what was scored before is read again."""
    plan = finished.run(hydra=("contexts=[system_only,urial_k1]",), arguments=("--dry-run",)).stdout
    drawn = [f"figures/{name}" for name in (*IN_CONTEXT, "shift_browser")]
    drawn += ["tables/urial_recovery", "tables/findings"]
    assert jobs_in(plan) == dict.fromkeys(["score", "compare", "contexts", *drawn], 1)


def test_speed_settings_change_no_rank(finished: Project, project: Project):
    """Other batch sizes and chunks: the same tokens, ranks and categories; floats within rounding."""
    runtime = ("runtime.generate_batch=2", "runtime.score_tokens=40", "runtime.position_chunk=7")
    project.made("figures/shift_ratio", hydra=runtime)
    tables = [pd.read_parquet(one.folder / "results/shifts/tiny/tiny/zero_shot.parquet") for one in (finished, project)]
    for column in COLUMNS:
        left, right = (np.stack(table[column].to_numpy()) for table in tables)
        if left.dtype.kind == "f":
            np.testing.assert_allclose(left, right, atol=1e-5)
        elif not column.endswith("top_ids"):  # the order of equally probable candidates is free
            assert (left == right).all()


def test_alignment_trains_an_adapter_that_a_pair_can_use(project: Project):
    """`align` on a tiny base, which answers first, then the pair of that base and its adapter through a figure."""
    folder = project.folder / "resources/alignment"
    (folder / "tiny.jinja").write_text(CHAT)
    for name, lines in (("train", 5), ("refusals", 12)):
        (folder / f"few_{name}.jsonl").write_text(
            "".join((folder / f"{name}.jsonl").read_text().splitlines(keepends=True)[:lines])
        )
    project.add("dataset/few", {"name": "few", "path": "resources/alignment/few_train.jsonl", "limit": None})
    project.add(
        "align/tiny",
        {
            "defaults": [{"/model@base": "tiny_base"}, {"/dataset@instructions": "few"}], "name": "tiny_lora",
            "answers": {
                "methods": ["voice_course"], "kept": 1, "min_words": 1, "max_tokens": 99, "repeated_words": 50, "common_words": 0,
            },
            "refusals": "resources/alignment/few_refusals.jsonl",
            "chat_template": "resources/alignment/tiny.jinja", "end_of_turn": "<|end|>", "reference": "zero_shot", "base_share": 0.5, "start_weight": 3, "end_weight": 2,
            "notice": "resources/alignment/NOTICE", "rank": 4, "alpha": 8, "learning_rate": 0.01, "epochs": 4,
            "batch_size": 4, "warmup_share": 0.1, "seed": 0, "saved": {"half": 6},
        },
    )  # fmt: skip
    project.made("align", hydra=("align=tiny",))
    adapter = project.folder / "results/adapters/tiny_lora"
    card = json.loads((adapter / "card.json").read_text())
    left_out = json.loads((project.folder / "results/alignment/tiny_lora.jsonl.meta.json").read_text())["left_out"]
    assert card["examples"]["sources"]["hand-written"] == 12
    assert card["examples"]["sources"].get("voice_course", 0) + sum(left_out.values()) == 5
    assert card["loss"][-1] < card["loss"][0]
    assert json.loads((adapter / "half/card.json").read_text())["loss"] == card["loss"][:6]
    modules = json.loads((adapter / "adapter_config.json").read_text())["target_modules"]
    assert modules == sorted(modules) != []
    shipped = {file: file.read_bytes() for file in adapter.rglob("*") if file.is_file() and "meta" not in file.name}
    assert project.run("align", hydra=("align=tiny",), arguments=("-R", "align")).returncode == 0
    assert shipped == {file: file.read_bytes() for file in shipped}  # trained again, it is the same to the byte
    for name, folder in (("tiny_lora", adapter), ("tiny_half", adapter / "half")):
        project.add_model(name, {"kind": "lora", "adapter": str(folder)})
        text = (project.folder / f"config/model/{name}.yaml").read_text()
        (project.folder / f"config/model/{name}.yaml").write_text(f"defaults:\n- /model@source.base: tiny_base\n{text}")
    project.add_pair("lora", "tiny_base", "tiny_lora")
    project.made("figures/shift_ratio", hydra=("pair=lora",))
    # A ladder with a stage on the way: that stage is scored and compared, and nothing else is done again.
    stage = ("pair=lora", "+model@pair.stages.half=tiny_half")
    plan = plans(project.folder, {"ladder": project.command("figures/stage_ladder", hydra=stage)})["ladder"]
    assert plan == dict.fromkeys(("model", "pair", "score", "compare", "ladder", "figures/stage_ladder"), 1)
    project.made("figures/stage_ladder", hydra=stage)
    results = project.folder / "results"
    scored = json.loads((results / "scores/tiny/lora.half/base.aligned.safetensors.meta.json").read_text())
    assert scored["response_tokens"] == len(pd.read_parquet(results / "shifts/tiny/lora/zero_shot.parquet"))
    rungs = pd.read_csv(results / "figures/stage_ladder.csv")
    closed = rungs[(rungs["measure"] == "kl_closed") & (rungs["grouping"] == "all")].set_index("rung")["value"]
    assert list(closed.index) == ["half", "aligned"]
    assert closed.sum() == pytest.approx(1)
    shutil.rmtree(adapter)
    result = project.run(
        "figures/shift_ratio", hydra=("pair=lora", "generate.max_new_tokens=25"), arguments=("-R", "model")
    )
    assert result.returncode != 0
    assert result.stdout.strip().splitlines()[-1].startswith("error: model source lora, key adapter: no ")
