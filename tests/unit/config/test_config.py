"""The configuration: every file composes, slices are canonical, and the tree keeps its own rules."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from superficial.artifacts.errors import UserError
from superficial.pipeline.checks import check_run
from superficial.pipeline.run import Run
from superficial.pipeline.stages import PACKAGE, STAGES, code_of, imported

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "config"


@pytest.mark.parametrize("group", ["pair", "dataset", "figure", "align", "experiment"])
def test_every_file_of_a_group_composes(group: str):
    for file in (CONFIG / group).glob("*.yaml"):
        named = ["base=org/a", "aligned=org/b"] if (group, file.stem) == ("pair", "custom") else []
        Run(CONFIG, [f"{group}={file.stem}", *named]).slice("figure")


def test_no_slice_can_end_a_script_block():
    text = Run(CONFIG, ["pair.title='</script><script>alert(1)</script>'"]).slice("figure")
    assert "</" not in text
    assert json.loads(text)["pairs"][0]["title"] == "</script><script>alert(1)</script>"


def test_every_model_file_is_named_as_it_names_itself():
    run = Run(CONFIG)
    for file in (CONFIG / "model").glob("*.yaml"):
        assert run.model(file.stem).name == file.stem


def test_slices_are_canonical_json():
    run = Run(CONFIG)
    for stage, name in (("generate", "aligned"), ("score", "zero_shot"), ("figure", ""), ("model", "gemma3_270m_chat")):
        text = run.slice(stage, name)
        assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_several_pairs_take_the_other_overrides():
    run = Run(CONFIG, ["pairs=[gemma3_270m]", "pair.title=mine", "stats.seed=5"])
    assert run.pairs["gemma3_270m"].title == "mine"


def test_an_unknown_key_inside_a_union_is_named():
    with pytest.raises(UserError, match=r"unknown key pair\.base\.source\.membrs.*did you mean members"):
        Run(CONFIG, ["+pair.base.source.membrs=[x]"])


@pytest.mark.parametrize("value", ["0", "-3", "2.5", "autoo", "null"])
def test_a_size_is_a_number_or_auto(value: str):
    assert Run(CONFIG, ["runtime.generate_batch=7", "runtime.score_tokens=auto"]).settings.runtime
    with pytest.raises(UserError, match=r"key runtime\.generate_batch: a whole number from 1 on, or auto, is needed"):
        Run(CONFIG, [f"runtime.generate_batch={value}"])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("figure.dpi={x", r"cannot read figure\.dpi=\{x .*write KEY=VALUE"),
        ("~figure.dpx", r"unknown key figure\.dpx .*did you mean dpi"),
        ("~method.urial_k3.prompt.exampels", r"unknown key method\.prompt\.exampels .*did you mean examples"),
        ("method.urial_k3.prompt.sytem=null", r"config/method/urial_k3\.yaml: unknown key prompt\.sytem .*system"),
        ("pair=gema3_270m", r"no pair named 'gema3_270m' .*did you mean gemma3_270m"),
    ],
)
def test_an_override_that_cannot_be_is_named_with_what_would_be_right(entry: str, said: str):
    with pytest.raises(UserError, match=said):
        Run(CONFIG, [entry]).slice("generate", "urial_k3")


def test_a_change_to_what_the_paper_s_text_replaces_is_refused():
    change = "method.urial_k3.prompt.examples.ids=[clouds]"
    with pytest.raises(UserError, match=r"changes nothing: inst_1k\.txt .*prompt_source=ours"):
        Run(CONFIG, ["prompt_source=published", change])
    run = Run(CONFIG, ["prompt_source=published", change, "method.urial_k3.prompt.published=null"])
    assert run.method("urial_k3").prompt.examples.ids == ["clouds"]
    assert run.method("urial_k1").prompt.examples is None


@pytest.mark.fault(
    "configuration", "a judge's model is not there", "one line that names file, key and remedy; exit code 1"
)
def test_a_judge_s_model_that_is_not_there_is_named():
    run = Run(CONFIG, ["judge.model=smollm2"])
    with pytest.raises(UserError, match=r"config/model/: no model named 'smollm2'"):
        check_run(run)


def test_stages_name_real_code():
    for name in STAGES:
        assert callable(STAGES[name].run)
        files = [Path(file) for file in code_of(name)]
        assert any(file.match("artifacts/files.py") for file in files)  # followed through imports
        # A new key of one stage must not rerun the others.
        assert not any(file.parent.name == "schema" for file in files)


def test_code_of_a_stage_leaves_out_other_stages():
    assert not any("figures" in file or "align" in file for file in code_of("score"))


def test_what_a_file_imports_is_what_python_s_parser_finds():
    for file in PACKAGE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                modules |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        assert {name for name in modules if name.split(".")[0] == "superficial"} <= imported(file), file


def test_versions_stand_in_three_places_and_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert environment["name"] == "superficial"
    assert [entry for entry in pip if "==" in entry] == project["dependencies"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    locked = dict(line.split(" ;")[0].split("==") for line in lines if not line.startswith("#"))
    direct = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    for requirement in direct:
        name, version = requirement.split("==")
        assert locked[name.lower()] == version, requirement
    assert f"torch=={locked['torch']}" in (ROOT / "Makefile").read_text()
    python = next(entry for entry in environment["dependencies"] if str(entry).startswith("python"))
    assert project["requires-python"] in python


def test_the_tree_keeps_its_size():
    """House rules: a Snakefile of at most 80 lines, rules of at most 25, source files of at most 300."""
    assert len((ROOT / "Snakefile").read_text().splitlines()) <= 80
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"(?m)^ *(?=rule\b)", file.read_text())[1:]:
            body = re.split(r"\n(?=\S)", rule)[0]
            assert len(body.splitlines()) <= 25, rule
    for file in (ROOT / "src").rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 300, file


def test_the_package_is_plain_python():
    """What Snakemake itself loads, a plugin of its own, stands beside the package."""
    for file in (ROOT / "src/superficial").rglob("*.py"):
        text = file.read_text()
        assert not re.search(r"^\s*(import|from) snakemake", text, re.M), file
        assert file.match("config/experiment.py") or not re.search(r"^\s*(import|from) hydra", text, re.M), file


def test_what_the_workflow_imports_loads_no_model_library():
    """Every start of the workflow imports it; torch alone would take seconds."""
    files = [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    lines = {line for file in files for line in file.read_text().splitlines() if line.startswith("from superficial")}
    heavy = "{'torch', 'transformers', 'pandas', 'matplotlib', 'openai'}"
    code = "\n".join(["import sys", *sorted(lines), f"print(sorted({heavy} & set(sys.modules)))"])
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
