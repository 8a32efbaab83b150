"""The pairs and models that are ready to run, and the pair that is in no file."""

import json
from pathlib import Path

import pytest
import yaml
from support.tiny import make_tokenizer
from tokenizers.processors import TemplateProcessing

from superficial.artifacts.errors import UserError
from superficial.config.custom_pair import model_name, pair_name
from superficial.config.schema import HubSource, LocalSource, LoraSource, MethodConfig, PromptConfig, ReferenceConfig
from superficial.pipeline.checks import check_run
from superficial.pipeline.run import Run
from superficial.prompts.builder import PromptBuilder

CONFIG = Path(__file__).resolve().parents[3] / "config"
PROMPTS = CONFIG.parents[1] / "shared/published/llama2_chat_prompts.json"
PAPER = ("llama2_7b_chat", "llama2_7b_vicuna", "mistral_7b_instruct")


def read(path: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((CONFIG / path).read_text())
    return found


def test_a_pair_file_is_named_as_it_names_itself_and_its_models_have_files():
    files = [file for file in (CONFIG / "pair").glob("*.yaml") if file.stem != "custom"]
    assert len(files) >= 14
    for file in files:
        pair = read(f"pair/{file.name}")
        assert pair["name"] == file.stem
        for entry in pair["defaults"]:
            [(role, model)] = entry.items()
            assert role in ("/model@base", "/model@aligned") or role.startswith("/model@stages.")
            assert (CONFIG / f"model/{model}.yaml").is_file(), file


def test_models_of_the_hub_say_what_they_need():
    run = Run(CONFIG)
    for file in (CONFIG / "model").glob("*.yaml"):
        model = run.model(file.stem)
        if isinstance(model.source, HubSource):
            assert model.memory_gb is not None, file
            assert ("# Gated" in file.read_text()) == model.gated, file


def test_what_no_stage_reads_is_in_no_slice():
    text = Run(CONFIG, ["pair=gemma3_1b"]).slice("model", "gemma3_1b")
    assert "google/gemma-3-1b-pt" in text
    assert "memory_gb" not in text
    assert "gated" not in text


def test_the_papers_pairs_name_their_published_numbers():
    rows = {row.title for row in ReferenceConfig.model_validate(read("reference/paper.yaml")).token_shift}
    pairs = {file.stem: read(f"pair/{file.name}") for file in (CONFIG / "pair").glob("*.yaml")}
    assert {pair["reference"] for pair in pairs.values() if "reference" in pair} == rows
    assert {name for name, pair in pairs.items() if "reference" in pair} == set(PAPER)
    # Figures tell measured from published bars by their titles.
    assert not rows & {pair["title"] for pair in pairs.values()}


def test_a_pair_in_no_file_is_two_repositories():
    run = Run(CONFIG, ["pairs=[custom,gemma3_270m]", "base=org/Model-1.5", "aligned=org/model_1.5"])
    check_run(run)
    custom, other = run.pairs.values()
    assert list(run.pairs) == [custom.name, "gemma3_270m"] == [custom.name, other.name]
    assert (custom.base.source.repo, custom.aligned.source.repo) == ("org/Model-1.5", "org/model_1.5")
    assert custom.name == pair_name("org/Model-1.5", "org/model_1.5")
    assert run.model(custom.base.name) == custom.base
    assert custom.base.name in run.model_names


def test_a_pair_in_no_file_may_be_folders_and_an_adapter(tmp_path: Path):
    whole, adapter = tmp_path / "whole", tmp_path / "run 7"
    for folder in (whole, adapter):
        folder.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "whole"}))
    run = Run(CONFIG, ["pair=custom", f"base={whole}", f"aligned='{adapter}'"])
    check_run(run)
    pair = run.settings.pair
    assert pair.base.source == LocalSource(kind="local", path=str(whole))
    assert pair.aligned.source == LoraSource(kind="lora", base=pair.base, adapter=str(adapter))
    assert pair.title == "whole → run 7"
    assert pair.aligned.name.startswith("run_7_")
    mixed = Run(CONFIG, ["pair=custom", "base=org/Whole", f"aligned='{adapter}'"])
    check_run(mixed)
    assert mixed.settings.pair.aligned.source.base.source == HubSource(kind="hub", repo="org/Whole")
    hub = Run(CONFIG, ["pair=custom", "base=org/a", "aligned=org/b", "pair.aligned.source.kind=lora"])
    assert hub.settings.pair.aligned.source.adapter == HubSource(kind="hub", repo="org/b")
    with pytest.raises(UserError, match=r"trained on org/other, and the base is org/Whole"):
        edited = {"peft_type": "LORA", "base_model_name_or_path": "org/other"}
        (adapter / "adapter_config.json").write_text(json.dumps(edited))
        check_run(mixed)


def test_names_made_from_repositories_are_safe_and_never_meet():
    alike = ["org/Model-1.5", "org/model_1.5", "org/MODEL.1.5", "org_model/1.5"]
    names = {model_name(one).lower() for one in alike}
    assert len(names) == len(alike)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") for name in names)
    assert pair_name("a/b", "c/d") != pair_name("c/d", "a/b")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["pair=custom"], r"base or aligned is not set.*each ORG/MODEL or a folder$"),
        (["pair=custom", "base=org/a"], r"base or aligned is not set"),
        (["pair=custom", "base=../a", "aligned=org/b"], r"key base: no folder \.\./a, and no ORG/MODEL"),
        (
            ["pair=custom", f"base={CONFIG}", "aligned=org/b", "pair.base.source.revision=x"],
            r"is a folder, which has no",
        ),
        (
            ["pair=custom", f"base={CONFIG.parent}/resources/adapters/gemma3_270m_chat", "aligned=org/b"],
            r"is an adapter, and nothing says on",
        ),
        (["base=org/a"], r"no pair reads them \| remedy: pair=custom takes"),
    ],
)
@pytest.mark.fault(
    "configuration", "pair=custom names no models", "one line that names file, key and remedy; exit code 1"
)
@pytest.mark.fault(
    "configuration", "pair=custom names one model", "one line that names file, key and remedy; exit code 1"
)
@pytest.mark.fault(
    "configuration", "base= is neither a folder nor ORG/MODEL", "one line that names file, key and remedy; exit code 1"
)
@pytest.mark.fault(
    "configuration", "a folder is given a revision", "one line that names file, key and remedy; exit code 1"
)
@pytest.mark.fault(
    "configuration",
    "a folder holds an adapter and nothing names its base",
    "one line that names file, key and remedy; exit code 1",
)
@pytest.mark.fault(
    "configuration", "base= without pair=custom", "one line that names file, key and remedy; exit code 1"
)
def test_a_custom_pair_that_is_no_pair_ends_in_one_line(overrides: list[str], told: str):
    with pytest.raises(UserError, match=told) as caught:
        check_run(Run(CONFIG, overrides))
    assert "\n" not in str(caught.value)


def build(prompt: PromptConfig, instruction: str, system: Path, template: str | None = None) -> str:
    """The text under a tokenizer whose BOS is Llama's, with `template` as its chat template."""
    tokenizer = make_tokenizer(chat=False)
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    bos = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)])
    tokenizer.backend_tokenizer.post_processor = bos
    tokenizer.chat_template = template
    return PromptBuilder(prompt, tokenizer, [system], model="tiny").build(instruction).text


@pytest.mark.skipif(not PROMPTS.is_file(), reason=f"the published prompts are not in {PROMPTS}")
def test_llama2_chat_prompts_are_the_published_ones_byte_for_byte(tmp_path: Path):
    """The system text is taken from the published file, once as its method has it and once by a chat template."""
    published = json.loads(PROMPTS.read_text())
    system = tmp_path / "system.txt"
    system.write_text(published[0]["input"].split("<<SYS>>\n")[1].split("\n<</SYS>>")[0] + "\n")
    method = MethodConfig.model_validate(read("method/llama2_chat_paper.yaml")).prompt
    method = method.model_copy(update={"system": str(system)})
    chat = PromptConfig(kind="chat", system=str(system))
    template = (
        "{{ bos_token }}[INST] <<SYS>>\n{{ messages[0].content }}\n<</SYS>>\n \n {{ messages[1].content }} [/INST] "
    )
    assert len(published) >= 5
    for one in published:
        assert build(method, one["pure_input"], system) == one["input"]
        assert build(chat, one["pure_input"], system, template) == one["input"]


def test_a_template_with_a_place_for_the_system_text_wants_one(tmp_path: Path):
    run = Run(CONFIG, ["pair=llama2_7b_vicuna", "method@response=vicuna_paper"])
    with pytest.raises(UserError, match=r"prompt\.system: the template has a place.*prompt\.system=FILE"):
        check_run(run)
    system = tmp_path / "system.txt"
    system.write_text("Be {instruction} kind.\n")
    changed = f"method.vicuna_paper.prompt.system={system}"
    run = Run(CONFIG, ["pair=llama2_7b_vicuna", "method@response=vicuna_paper", changed])
    check_run(run)
    assert build(run.settings.response.prompt, "Why?", system) == "<s>Be {instruction} kind. USER: Why? ASSISTANT:"
    with pytest.raises(ValueError, match=r"before \{instruction\}"):
        PromptConfig(kind="completion", template="{instruction} {system}")
