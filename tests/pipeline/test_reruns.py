"""Which jobs a change makes anew, exactly. Stages are stubs here: a plan depends on configuration and files alone."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from support.plans import plans
from support.project import ROOT, Project

STUB = Path(__file__).parents[1] / "support/stub_stage.py"
IN_CONTEXT = {"urial_recovery", "entropy"}
FIGURES = IN_CONTEXT | {
    "shift_example", "shift_ratio", "shift_by_position", "shift_by_topic", "shift_by_kind", "prefix_handoff",
    "safety_depth",
}  # fmt: skip
SHIFTS = {f"figures/{name}" for name in FIGURES}
FINDINGS = {"tables/findings"}  # it reads statistics of every kind
RECOVERY = {"tables/urial_recovery"} | FINDINGS
BROWSER = {"figures/shift_browser"}  # it shows every context, and what the judge said of the aligned model's responses
PAGES = SHIFTS | BROWSER | RECOVERY
FROM_CONTEXTS = {"contexts"} | {f"figures/{name}" for name in IN_CONTEXT} | RECOVERY
PREFILL = {"prefill", "prefill_stats", "figures/safety_depth"}
FROM_COMPARE = {"compare", "kinds", "stats", "handoff", "handoff_stats", "contexts", "safety_depth"} | PAGES
RADARS = {"figures/aspects_radar", "figures/tasks_topics_radar"}
FAILURES = {"response_stats", "tables/responses", "figures/method_failures", "figures/methods_example"}
TRUST = {"trust", "figures/judge_trust"}
FROM_TRUST = {"tables/pairwise"} | TRUST
FROM_SCORES = {"judged", "tables/scores", "tables/cases", "figures/case_browser"} | RADARS | FROM_TRUST
FROM_JUDGE = {"judge", "pairwise"} | FROM_SCORES
FROM_ANSWERS = FAILURES | FROM_JUDGE  # of a base model's method
FROM_GENERATE = {"generate", "score", "canaries"} | PREFILL | FROM_COMPARE | FROM_ANSWERS
DRAWN = SHIFTS | RADARS | {
    "figures/dataset_stats", "figures/judge_trust", "figures/method_failures", "figures/methods_example",
}  # fmt: skip
INTERVALS = (
    {"stats", "contexts", "handoff_stats", "safety_depth", "judged", "trust", "tables/pairwise", "tables/scores"}
    | {"prefill_stats"}
    | FAILURES
    | RECOVERY
)
FROM_SEED = (INTERVALS | DRAWN) - {"figures/dataset_stats"}
FROM_STATS = {"stats"} | FINDINGS | SHIFTS - {"figures/prefix_handoff", "figures/safety_depth"} - FROM_CONTEXTS
JUDGE_NAMED = {
    "tables/scores",
    "tables/cases",
    "figures/case_browser",
    "tables/pairwise",
    "figures/judge_trust",
} | RADARS

CHANGES: dict[str, set[str]] = {
    "": set(),
    "figure.dpi=100": DRAWN,
    "figure.shifted=black": (DRAWN | PAGES) - RECOVERY,
    "stats.seed=1": FROM_SEED,
    "stats.resamples=200": FROM_SEED,
    "stats.top_tokens=5": FROM_STATS,
    "stats.min_occurrences=3": FROM_STATS,
    "compare.top_k=5": FROM_COMPARE,
    "handoff.max_new_tokens=8": {"handoff", "handoff_stats", "figures/prefix_handoff"} | FINDINGS,
    "prefill.max_new_tokens=3": PREFILL,
    "prefill.openings.neutral='A letter came and it was opened and read at once and answered on the very same day'": PREFILL,
    "generate.max_new_tokens=12": FROM_GENERATE,
    "dataset.limit=4": {"data", "figures/dataset_stats"} | FROM_GENERATE,
    "dataset.path=resources/datasets/demo.jsonl": {"data", "figures/dataset_stats"} | FROM_GENERATE,
    # What changes no result.
    "runtime.generate_batch=1": set(),
    "runtime.score_tokens=64": set(),
    "runtime.position_chunk=3": set(),
    "runtime.device=cpu": set(),
    "align.epochs=1": set(),
    "engine=openai_server": FROM_GENERATE,
    "pair.title=other": PAGES,
    "pair.aligned.title=other": BROWSER | FAILURES - {"response_stats"} | JUDGE_NAMED,
    "+pair.reference='Llama-2-7b → Llama-2-7b-chat'": {"figures/shift_ratio"},
    # The aligned side is not touched by a change of the base, so its answers stay.
    "+pair.base.dtype=bfloat16": {"model", "pair", "generate", "score"} | PREFILL | FROM_COMPARE | FROM_ANSWERS,
    "method.urial_k3.prompt.examples.ids=[clouds]": {"generate"} | FROM_ANSWERS,
    "method.urial_k3.decoding.repetition_penalty=1.0": {"generate"} | FROM_ANSWERS,
    "method.system_only.prompt.system=null": {"score", "compare"} | FROM_CONTEXTS | BROWSER,
    "method.system_only.title=other": FROM_CONTEXTS - {"contexts"} | BROWSER,
    "contexts=[system_only,urial_k1]": {"score", "compare"} | FROM_CONTEXTS | BROWSER,
    "contexts=[]": FROM_CONTEXTS | BROWSER,
    "method.urial_k3.title=other": FAILURES - {"response_stats"} | JUDGE_NAMED,
    "context.prompt.template='Q: {instruction} A:'": {"generate", "score"} | PREFILL | FROM_COMPARE | FROM_ANSWERS,
    "methods=[zero_shot]": FAILURES | FROM_SCORES,
    "methods=[zero_shot,urial_k3,urial_k1]": {"generate", "judge"} | FAILURES | FROM_SCORES,
    "canaries.seed=3": {"canaries"} | TRUST,
    "canaries.examples=3": {"canaries"} | TRUST,
    "pairwise.seed=3": {"pairwise"} | FROM_TRUST,
    "pairwise.cases=1": {"tables/cases", "figures/case_browser"},
    "judge.title=other": JUDGE_NAMED | BROWSER,
    "judge.allow_self=true": set(),
    "judge.max_tokens=5": {"canaries"} | FROM_JUDGE | BROWSER,
    "judge=smollm2_local": {"model", "canaries"} | FROM_JUDGE | BROWSER,
    "trust.beside=[smollm2_local]": {"model", "judge", "pairwise"} | FROM_TRUST,
    "na_as_five=true": {"judged"} | RADARS | {"tables/scores", "figures/judge_trust"},
    "pairs=[tiny,again]": {"pair", "score", "compare", "kinds", "stats", "contexts", "handoff", "handoff_stats", "safety_depth"} | PREFILL | PAGES | RADARS,
}  # fmt: skip
# One file each: a rubric's word, a source of one stage, a page, an example of URIAL, judgments.
EDITS: dict[str, set[str]] = {
    "resources/judging/local_safety.txt": {"canaries"} | FROM_JUDGE - {"pairwise"} | BROWSER,
    "resources/judging/canaries.yaml": {"canaries"} | TRUST,
    "resources/urial/examples.jsonl": {"generate"} | FROM_ANSWERS,
    "resources/safety/refusals.txt": PREFILL - {"prefill"} | {"refusals_agreement"},
    "resources/safety/labelled.csv": {"refusals_agreement", "figures/safety_depth"},
    "src/superficial/views/figures/shift_by_topic.py": {"figures/shift_by_topic"},
    "src/superficial/shift/statistics/positions.py": FROM_STATS,
    "src/superficial/views/browser/templates/index.html": BROWSER,
    "src/superficial/views/browser/assets/recovery.js": BROWSER,
    "results/judgments/tiny/tiny/tiny_aligned/aligned.parquet": {"canaries"} | FROM_SCORES | BROWSER,
    "results/judgments/tiny/tiny/tiny_base/zero_shot.parquet": FROM_SCORES,
}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished run of stubs, with sources of its own that may be edited."""
    models = tmp_path_factory.mktemp("no_models")
    project = Project(tmp_path_factory.mktemp("planned") / "project", models)
    project.add_pair("again", "tiny_base", "tiny_aligned")
    shutil.copytree(ROOT / "src", project.folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    project.start_stages(f"{sys.executable} {STUB}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", sources_of(project))
        return project.made()


def sources_of(project: Project) -> str:
    """PYTHONPATH with the project's own sources first."""
    return os.pathsep.join([str(project.folder / "src"), os.environ.get("PYTHONPATH", "")])


def test_a_changed_file_of_imported_judgments_is_read_again(
    planned: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", sources_of(planned))
    folder = tmp_path / "published"
    for name in ("outputs/m.json", "judgments/j/m.general.json", "judgments/j/m.tag.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("[]")
    target, asked = "results/judgments/tiny/imported/tiny_aligned/aligned.parquet", ("judge=imported",)
    asked += (f"judge.source={folder}", "pairwise.systems=[]")
    planned.made(target, hydra=asked)
    commands = {"plan": planned.command(target, hydra=asked)}
    (folder / "judgments/j/m.tag.json").write_text("[1]")  # no scores: no stage reads it
    assert plans(planned.folder, commands)["plan"] == {}
    (folder / "judgments/j/m.general.json").write_text("[1]")
    assert plans(planned.folder, commands)["plan"] == {"judge": 1}


def test_a_change_reruns_exactly_what_reads_it(planned: Project):
    commands = {change: planned.command("figures/all", hydra=(change,) if change else ()) for change in CHANGES}
    commands["--cores 1"] = [word if word != "2" else "1" for word in planned.command("figures/all")]
    commands["--verbose"] = planned.command("figures/all", arguments=("--verbose",))
    found = plans(planned.folder, commands)
    expected = CHANGES | {"--cores 1": set(), "--verbose": set()}
    wrong = {change: set(plan) ^ expected[change] for change, plan in found.items() if set(plan) != expected[change]}
    assert wrong == {}
    # What was there is not made again: the jobs are those of the new method, judge or pair alone.
    assert found["methods=[zero_shot,urial_k3,urial_k1]"]["generate"] == 1
    assert found["methods=[zero_shot,urial_k3,urial_k1]"]["judge"] == 1
    assert found["trust.beside=[smollm2_local]"]["judge"] == 3
    assert {found["pairs=[tiny,again]"][rule] for rule in ("pair", "kinds", "stats", "handoff")} == {1}
    assert found["pairs=[tiny,again]"]["compare"] == 2  # the two contexts of its own


@pytest.mark.parametrize(("file", "rules"), EDITS.items())
def test_an_edited_file_reruns_exactly_what_reads_it(planned: Project, file: str, rules: set[str]):
    path = planned.folder / file
    before = path.read_text()
    command = {file: planned.command("figures/all")}
    try:
        path.write_text(before + "\n")
        assert set(plans(planned.folder, command)[file]) == rules
    finally:
        path.write_text(before)
