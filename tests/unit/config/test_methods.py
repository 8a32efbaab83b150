"""Methods as configuration: their files, changes to them, and the paper's own prompts in the place of ours."""

import json
from pathlib import Path

import pytest

from superficial.artifacts.errors import UserError
from superficial.config.overrides import split_overrides
from superficial.config.schema import (
    NeighboursConfig,
)
from superficial.config.schema.method import ThinkingConfig
from superficial.pipeline.checks import check_run
from superficial.pipeline.run import Run
from superficial.prompts.files import check_prompt

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "config"
TEMPLATE = "# Query:\n```{instruction}```\n\n# Answer:\n```\n"


@pytest.fixture(scope="module")
def default() -> Run:
    return Run(CONFIG)


@pytest.fixture(scope="module")
def published() -> Run:
    return Run(CONFIG, ["prompt_source=published"])


@pytest.mark.parametrize("name", [file.stem for file in (CONFIG / "method").glob("*.yaml")])
def test_every_method_composes_and_finds_its_files(
    name: str, default: Run, published: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(ROOT)
    for run in (default, published):
        method = run.method(name)
        assert method.name == name
        if "{system}" in (method.prompt.template or ""):
            continue  # for an aligned model, with a system text that its user brings
        check_prompt(method.prompt)
        assert not (method.prompt.published and (method.prompt.system or method.prompt.examples))
        assert all(Path(file).is_file() or file.startswith("results/") for file in run.prompt_files(name))
        if method.prompt.kind == "completion":
            # What an answer begins with may be given.
            assert (method.prompt.template or "").removesuffix("Of course!") == TEMPLATE
            assert (method.decoding.repetition_penalty, method.decoding.stop) == (1.1, "fence")


def test_methods_differ_in_what_their_names_say(default: Run):
    prompts = {name: default.method(name).prompt for name in default.method_names}
    k = {name: len(prompt.examples.ids) for name, prompt in prompts.items() if prompt.examples}
    assert k == {"vanilla_icl": 3, "urial_k1": 1, "urial_k3": 3, "urial_k8": 8, "urial_k3_alt": 3, "voice_course": 4}
    assert prompts["vanilla_icl"].examples.ids == prompts["urial_k3"].examples.ids
    assert prompts["vanilla_icl"].examples.style == "plain"
    assert prompts["vanilla_icl"].system is None
    assert (
        set(prompts["urial_k1"].examples.ids)
        < set(prompts["urial_k3"].examples.ids)
        < set(prompts["urial_k8"].examples.ids)
    )
    assert not set(prompts["urial_k3_alt"].examples.ids) & set(prompts["urial_k8"].examples.ids)
    assert prompts["retrieval_icl"].neighbours == NeighboursConfig(index="alignment", k=3)


def test_systems_are_bases_by_method_and_aligned_models(default: Run):
    run = Run(CONFIG, ["methods=[zero_shot,urial_k1]"])
    assert run.systems == [
        ("gemma3_270m", "zero_shot"), ("gemma3_270m", "urial_k1"), ("gemma3_270m_chat", "aligned"),
    ]  # fmt: skip
    assert Run(CONFIG, ["pairs=[gemma3_270m,gemma3_270m]"]).systems == default.systems


def test_a_method_is_changed_on_the_command_line(default: Run):
    run = Run(
        CONFIG,
        [
            "method.urial_k3.prompt.examples.ids=[tea,brakes]", "+method.urial_k3.prompt.system=null",
            "method.zero_shot.prompt.template='Q: {instruction} A:'", "method.zero_shot.prompt.system=x.txt",
            "~method.vanilla_icl.prompt.examples", "context.title=mine",
        ],
    )  # fmt: skip
    prompt = run.method("urial_k3").prompt
    assert (prompt.examples.ids, prompt.examples.style, prompt.system) == (["tea", "brakes"], "restyled", None)
    assert run.method("urial_k8") == default.method("urial_k8")
    assert run.method("vanilla_icl").prompt.examples is None
    # The base's context is the method zero_shot: the change is seen wherever it is read.
    assert run.method("zero_shot") == run.settings.context
    assert run.settings.context.prompt.template == "Q: {instruction} A:"
    assert run.settings.context.prompt.system == "x.txt"
    assert run.settings.context.title == "mine"
    assert json.loads(run.slice("handoff"))["context"]["template"] == "Q: {instruction} A:"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("contexts=[zero_sht]", r"key contexts: no method named 'zero_sht' \| remedy: did you mean zero_shot\?"),
        ("methods=[zero_sht]", r"key methods: no method named 'zero_sht' \| remedy: did you mean zero_shot\?"),
        ("method.urial_k4.prompt.system=null", r"no method named 'urial_k4' \| remedy: did you mean urial_k\d"),
        ("method.zero_shot.decoding.stop=fense", r"decoding\.stop: .*'fense'.* remedy: did you mean fence\?"),
        ("context.decoding.stop=fense", r"decoding\.stop: .*'fense'.* remedy: did you mean fence\?"),
        ("method.zero_shot.prompt.tmplate=x", r"unknown key context\.prompt\.tmplate .*did you mean template\?"),
        ("prompt_source=publish", r"key prompt_source: .*did you mean published\?"),
        ("method@context=urial_k33", r"no method@context named 'urial_k33'.*did you mean urial_k3"),
    ],
)  # fmt: skip
@pytest.mark.fault("configuration", "a method is misspelt", "one line with the nearest name; exit code 1")
def test_a_misspelt_method_is_answered_with_the_nearest(override: str, says: str):
    with pytest.raises(UserError, match=says) as error:
        Run(CONFIG, [override])
    assert "\n" not in str(error.value)


def test_a_method_out_of_sight_is_checked_before_any_work(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    for override, says in (
        ("method.urial_k3.decoding.stop=fense", "did you mean fence"),
        ("method.urial_k3.prompt.exmples=1", "unknown key prompt.exmples"),
        ("method.urial_k3.prompt.examples.ids=[clods]", "did you mean clouds"),
    ):
        with pytest.raises(UserError, match=says):
            check_run(Run(CONFIG, [override]))


def test_published_prompts_replace_ours_where_there_are_some(published: Run):
    files = {name: published.prompt_files(name) for name in published.method_names}
    assert {name: Path(paths[0]).name for name, paths in files.items() if paths and "published" in paths[0]} == {
        "urial_k1": "inst_1shot.txt", "urial_k3": "inst_1k.txt", "urial_k8": "inst_2k.txt",
        "system_only": "inst_only.txt", "vanilla_icl": "basic_icl.txt",
    }  # fmt: skip
    assert all(len(files[name]) == 1 for name in ("urial_k1", "urial_k3", "system_only", "vanilla_icl"))
    assert files["zero_shot"] == files["aligned"] == []


def test_an_aligned_model_thinks_or_not_by_method_and_markers_can_be_named():
    for name, thinks in (("thinking", True), ("no_thinking", False)):
        run = Run(CONFIG, ["pair=qwen3_8b_base", f"method@response={name}", f"pair.name={name}"])
        assert run.settings.response.prompt.chat_template_kwargs == {"enable_thinking": thinks}
        assert run.systems[-1] == ("qwen3_8b", name)
        assert list(run.pairs) == [name]
    named = split_overrides('[method.aligned.prompt.thinking={opening:"Here is my thought process:",closing:"So:"}]')
    run = Run(CONFIG, named)
    assert run.settings.response.prompt.thinking == ThinkingConfig(opening="Here is my thought process:", closing="So:")
    assert "thinking" in json.loads(run.slice("causal"))  # its texts come from the same model
    assert "thinking" not in json.loads(Run(CONFIG).slice("causal"))
