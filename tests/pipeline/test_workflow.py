"""The whole workflow on tiny models, as a user runs it."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project import Project
from tiny import CHAT

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
    "shift_example", "shift_ratio", "shift_by_position", "shift_by_topic", "shift_by_kind", "prefix_handoff", *IN_CONTEXT,
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Project:
    return Project(tmp_path_factory.mktemp("finished") / "project", tiny_models).made()


def hashes(project: Project) -> dict[str, str]:
    """Every artifact but the sidecars, which may differ between equal runs."""
    files = sorted((project.folder / "results").rglob("*"))
    return {
        str(file.relative_to(project.folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file() and not file.name.endswith(".meta.json") and not any(part[0] == "." for part in file.parts)
    }


def test_every_figure_is_made_with_its_data(finished: Project):
    assert (finished.folder / "results/browser/index.html").is_file()
    for figure in FIGURES:
        for suffix in ("pdf", "png", "svg"):
            assert (finished.folder / f"results/figures/{figure}.{suffix}").stat().st_size > 2000
        assert len(pd.read_csv(finished.folder / f"results/figures/{figure}.csv")) > 0, figure


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


def test_every_artifact_has_a_sidecar(finished: Project):
    for artifact in (
        "models/tiny_base/manifest.json", "data/tiny.parquet", "responses/tiny/tiny_aligned/aligned.parquet",
        "scores/tiny/tiny/base.zero_shot.safetensors", "shifts/tiny/tiny/zero_shot.parquet",
        "stats/tiny/tiny/zero_shot/summary.csv", "figures/shift_ratio.pdf",
    ):  # fmt: skip
        meta = json.loads((finished.folder / f"results/{artifact}.meta.json").read_text())
        assert {"config", "inputs", "packages", "git", "wall_seconds"} <= set(meta)


def test_a_finished_run_has_nothing_to_do(finished: Project):
    assert finished.planned() == set()


def test_two_cold_runs_are_bit_identical(finished: Project, project: Project):
    first, second = hashes(finished), hashes(project.made())
    assert first == second
    assert any(name.endswith(".csv") for name in first)


SHIFTS = {f"figures/{name}" for name in FIGURES}
PAGES = SHIFTS | {"figures/shift_browser"}
FROM_CONTEXTS = {"contexts"} | {f"figures/{name}" for name in IN_CONTEXT}
FROM_COMPARE = {"compare", "kinds", "stats", "handoff", "handoff_stats", "contexts"} | PAGES
RADARS = {"figures/aspects_radar", "figures/tasks_topics_radar"}
FAILURES = {"response_stats", "tables/responses", "figures/method_failures", "figures/methods_example"}
FROM_TRUST = {"trust", "figures/judge_trust", "tables/pairwise"}
FROM_SCORES = {"judged", "tables/scores", "tables/cases"} | RADARS | FROM_TRUST
FROM_JUDGE = {"judge", "pairwise"} | FROM_SCORES
FROM_ANSWERS = FAILURES | FROM_JUDGE  # of a base model's method
FROM_GENERATE = {"generate", "score", "canaries"} | FROM_COMPARE | FROM_ANSWERS
DRAWN = SHIFTS | RADARS | {
    "figures/dataset_stats", "figures/judge_trust", "figures/method_failures", "figures/methods_example",
}  # fmt: skip
INTERVALS = {"stats", "contexts", "handoff_stats", "judged", "trust", "tables/pairwise", "tables/scores"} | FAILURES
FROM_SEED = (INTERVALS | DRAWN) - {"figures/dataset_stats"}


@pytest.mark.parametrize(
    ("override", "rules"),
    [
        ("figure.dpi=100", DRAWN),
        ("figure.shifted=black", DRAWN | PAGES),
        ("stats.seed=1", FROM_SEED),
        ("stats.resamples=200", FROM_SEED),
        ("compare.top_k=5", FROM_COMPARE),
        ("handoff.max_new_tokens=8", {"handoff", "handoff_stats", "figures/prefix_handoff"}),
        ("generate.max_new_tokens=12", FROM_GENERATE),
        ("dataset.limit=4", {"data", "figures/dataset_stats"} | FROM_GENERATE),
        ("runtime.generate_batch=1", set()),
        ("runtime.score_tokens=64", set()),
        ("runtime.position_chunk=3", set()),
        ("runtime.device=cpu", set()),
        ("align.epochs=1", set()),
        ("pair.title=other", PAGES),
        # The aligned side is not touched by a change of the base, so its answers stay.
        ("+pair.base.dtype=bfloat16", {"model", "pair", "generate", "score"} | FROM_COMPARE | FROM_ANSWERS),
        ("method.urial_k3.prompt.examples.ids=[clouds]", {"generate"} | FROM_ANSWERS),
        ("methods=[zero_shot]", FAILURES | FROM_SCORES),
        ("method.system_only.prompt.system=null", {"score", "compare"} | FROM_CONTEXTS),
        ("method.system_only.title=other", {f"figures/{name}" for name in IN_CONTEXT}),
        ("canaries.seed=3", {"canaries", "pairwise"} | FROM_TRUST),
        ("judge.title=other", {"canaries"} | FROM_JUDGE),
    ],
)
def test_an_override_reruns_what_reads_it(finished: Project, override: str, rules: set[str]):
    assert finished.planned(hydra=(override,)) == rules


def test_a_further_context_is_one_scoring_and_one_comparison(finished: Project):
    """Nothing else of a model's: what was scored before is read again."""
    plan = finished.run(hydra=("contexts=[system_only,urial_k1]",), arguments=("--dry-run",)).stdout
    counts = dict(re.findall(r"^([a-z_/]+) +(\d+)$", plan, flags=re.M))
    assert counts.pop("total") == "6"
    assert counts == dict.fromkeys({"score", "compare"} | FROM_CONTEXTS, "1") | {"figures/all": "1"}


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


def test_a_killed_generation_goes_on_and_ends_alike(finished: Project, project: Project):
    """Kill -9 of everything when the first batch is stored; the same command finishes with the same bytes."""
    hydra = ("runtime.generate_batch=1",)
    store = project.folder / "results/.responses"
    process = subprocess.Popen(
        project.command("figures/shift_ratio", hydra=hydra), cwd=project.folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not any(store.glob("*.jsonl")):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (stored,) = store.glob("*.jsonl")
    kept = stored.read_bytes()
    assert not (project.folder / "results/responses/tiny/tiny_aligned/aligned.parquet").exists()
    project.run(arguments=("--unlock",))
    project.made("figures/shift_ratio", hydra=hydra)
    assert stored.read_bytes().startswith(kept)
    entries = [json.loads(line) for line in stored.read_text().splitlines() if line.strip().endswith("}")]
    assert len({entry["key"] for entry in entries}) == len(entries) == 6  # no answer was made twice
    clean = pd.read_parquet(finished.folder / "results/responses/tiny/tiny_aligned/aligned.parquet")
    resumed = pd.read_parquet(project.folder / "results/responses/tiny/tiny_aligned/aligned.parquet")
    assert clean["token_ids"].map(list).tolist() == resumed["token_ids"].map(list).tolist()


def test_more_instructions_decode_only_the_new_ones(project: Project):
    project.made("figures/shift_ratio", hydra=("dataset.limit=3",))
    meta = project.folder / "results/responses/tiny/tiny_aligned/aligned.parquet.meta.json"
    first = json.loads(meta.read_text())["new_tokens"]
    project.made("figures/shift_ratio")
    answers = pd.read_parquet(meta.with_suffix("").with_suffix(""))
    total = int(answers["token_ids"].map(len).sum())
    assert 0 < first < total
    assert json.loads(meta.read_text())["new_tokens"] == total - first


def test_alignment_trains_an_adapter_that_a_pair_can_use(project: Project):
    """`align` on a tiny base, then the pair of that base and its adapter through a figure."""
    template = project.folder / "resources/alignment/tiny.jinja"
    template.write_text(CHAT)
    lines = (project.folder / "resources/alignment/train.jsonl").read_text().splitlines()[:12]
    (project.folder / "resources/alignment/few.jsonl").write_text("\n".join(lines) + "\n")
    project.add(
        "align/tiny",
        {
            "defaults": [{"/model@base": "tiny_base"}], "name": "tiny_lora", "data": "resources/alignment/few.jsonl",
            "chat_template": "resources/alignment/tiny.jinja", "end_of_turn": "<|end|>",
            "notice": "resources/alignment/NOTICE", "rank": 4, "alpha": 8, "learning_rate": 0.01, "epochs": 4,
            "batch_size": 4, "warmup_share": 0.1, "seed": 0,
            "settle": {"learning_rate": 0.001, "refusals_every": [1, 2], "seed": 1},
        },
    )  # fmt: skip
    project.made("align", hydra=("align=tiny",))
    adapter = project.folder / "results/adapters/tiny_lora"
    card = json.loads((adapter / "card.json").read_text())
    assert card["data"]["examples"] == 12
    assert card["loss"][-1] < card["loss"][0]
    project.add_model("tiny_lora", {"kind": "lora", "adapter": str(adapter)})
    text = (project.folder / "config/model/tiny_lora.yaml").read_text()
    (project.folder / "config/model/tiny_lora.yaml").write_text(f"defaults:\n- /model@source.base: tiny_base\n{text}")
    project.add_pair("lora", "tiny_base", "tiny_lora")
    project.made("figures/shift_ratio", hydra=("pair=lora",))
    shutil.rmtree(adapter)
    result = project.run(
        "figures/shift_ratio", hydra=("pair=lora", "generate.max_new_tokens=25"), arguments=("-R", "model")
    )
    assert result.returncode != 0
    assert result.stdout.strip().splitlines()[-1].startswith("error: model source lora, key adapter: no ")
