"""What a slice of the configuration holds: what decides a result, and nothing beside it."""

import json
from functools import cache
from pathlib import Path

import pytest

from superficial.artifacts.errors import UserError
from superficial.pipeline.run import Run

CONFIG = Path(__file__).resolve().parents[3] / "config"
JUDGING = {
    "judge": "gpt4/m.k",
    "canaries": "gpt4/m.k",
    "pairwise": "gpt4/gemma3_270m.urial_k3--gemma3_270m_chat.aligned",
}
BY_SERVER = ("engine=openai_server", "judge=gpt4")


def slices(*overrides: str) -> dict[str, str]:
    """The slices that a server has a part in."""
    run = Run(CONFIG, [*BY_SERVER, *overrides])
    return {stage: run.slice(stage, name) for stage, name in (JUDGING | {"generate": "zero_shot"}).items()}


@cache
def without_changes() -> dict[str, str]:
    return slices()


def test_where_a_server_is_and_how_it_is_asked_is_in_no_slice_but_reaches_the_stage():
    changes = (
        "judge.title=other", "judge.caveat=other", "judge.base_url=http://elsewhere/v1", "judge.api_key_env=OTHER",
        "judge.concurrency=3", "judge.timeout_s=5", "judge.retries=1", "judge.max_wait_s=9", "judge.max_cost_usd=99",
        "judge.max_requests=7", "judge.price.prompt=1.0", "engine.base_url=http://local/v1", "engine.concurrency=5",
    )  # fmt: skip
    assert slices(*changes) == without_changes()
    runtime = json.loads(Run(CONFIG, [*BY_SERVER, *changes]).runtime)
    judge = runtime["judges"]["gpt4"]
    assert (judge["base_url"], judge["concurrency"], judge["max_cost_usd"]) == ("http://elsewhere/v1", 3, 99)
    assert (runtime["engine"]["base_url"], runtime["engine"]["concurrency"]) == ("http://local/v1", 5)


@pytest.mark.parametrize("override", ["judge.model=other", "judge.revision='2'", "judge.max_tokens=9"])
def test_what_a_judge_answers_by_is_in_its_slices(override: str):
    before, after = without_changes(), slices(override)
    assert {stage for stage in before if before[stage] != after[stage]} == set(JUDGING)


def test_a_pair_that_is_asked_for_wins_over_those_of_an_experiment():
    assert len(Run(CONFIG, ["experiment=paper"]).pairs) == 3
    assert list(Run(CONFIG, ["experiment=paper", "pair=smollm2_135m"]).pairs) == ["smollm2_135m"]
    both = ["experiment=stages", "pairs=[gemma3_270m,smollm2_135m]"]
    assert list(Run(CONFIG, both).pairs) == ["gemma3_270m", "smollm2_135m"]


def test_a_published_pair_that_is_not_there_is_named():
    run = Run(CONFIG, ["+pair.reference='Llama-2-7b → Llama-2-7b-cat'"])
    with pytest.raises(UserError, match=r"config/pair/gemma3_270m\.yaml, key reference: .*did you mean Llama-2-7b"):
        run.slice("ratio_figure")


def test_the_default_experiment_is_the_demo():
    assert Run(CONFIG).settings == Run(CONFIG, ["experiment=demo"]).settings


def test_every_experiment_says_how_it_is_run():
    """Hydra wants its package on the first line; the command is the next, and starts the experiment itself."""
    for file in (CONFIG / "experiment").glob("*.yaml"):
        package, command, *_ = file.read_text().splitlines()
        assert package == "# @package _global_"
        assert command.startswith("# snakemake --cores ")
        assert (f"experiment={file.stem}" in command) == (file.stem != "demo"), file


@pytest.mark.parametrize(
    ("overrides", "judge"),
    [((), "smollm2_local"), (("judge=human",), None), (("experiment=published", "published_dir=."), None)],
)
def test_the_browser_shows_reasons_only_where_figures_all_has_the_responses_judged(
    overrides: tuple[str, ...], judge: str | None
):
    found = json.loads(Run(CONFIG, overrides).slice("browser"))
    assert (found["judge"] and found["judge"]["name"]) == judge
    assert [context["name"] for context in found["contexts"]] == ["zero_shot", "vanilla_icl", "urial_k3"]
