"""What figures and tables declare is all that the workflow, the report and the page of targets know of them."""

import importlib
import os
import re
from pathlib import Path

import pytest
from support.project import ROOT

from superficial.pipeline.job_command import stage_arguments
from superficial.pipeline.run import Run
from superficial.pipeline.stages import STAGES, code_of
from superficial.pipeline.target_table import main, table
from superficial.pipeline.targets import beyond_all, declared_in, drawn_views, files_of, in_all
from superficial.views.declared import VIEWS, declared
from superficial.views.view import View

PAIRS = "pairs=[gemma3_270m,gemma3_1b]"


def run(*overrides: str) -> Run:
    return Run(ROOT / "config", overrides)


@pytest.mark.parametrize("name", declared())
def test_what_is_read_from_the_text_is_what_the_module_says(name: str):
    one = declared()[name]
    said = importlib.import_module(one.module).VIEW
    assert isinstance(said, View)
    for key, value in vars(said).items():
        if key not in ("name", "out") or value:
            found = getattr(one.view, key)
            assert (list(found) == list(value)) if key == "out" else (found == value), key
    assert len(re.findall(r"^VIEW\b", one.file.read_text(), re.MULTILINE)) == 1


def test_no_declaration_is_overlooked():
    """One that is written otherwise than `views/declared.py` reads it would be in no rule and no report."""
    declaring = {file for file in VIEWS.glob("*/*.py") if re.search(r"^VIEW\b", file.read_text(), re.MULTILINE)}
    assert declaring == {one.file for one in declared().values()}
    drawing = {file for file in VIEWS.glob("*/*.py") if re.search(r"^def run\(", file.read_text(), re.MULTILINE)}
    assert drawing - declaring == {VIEWS / "report/stage.py", VIEWS / "index/stage.py"}


@pytest.mark.parametrize("name", declared())
def test_a_view_reads_the_slice_that_it_names(name: str):
    """The type of `cfg` is that of the slice, and holds no key that the slice lacks."""
    STAGES[name].config.model_validate_json(run().slice(declared()[name].view.slice))


def test_a_rule_has_a_file_for_every_pair_and_the_names_of_the_run():
    both = files_of(declared()["figures/shift_ratio"].view, run(PAIRS))
    stats = "results/stats/demo/{}/zero_shot/{}.csv"
    assert both == {
        "reads": [stats.format(pair, name) for name in ("ratios", "tokens") for pair in ("gemma3_270m", "gemma3_1b")]
    }
    scores = declared()["tables/scores"].view
    assert files_of(scores, run("judge=gpt4")) == {"judged": ["results/judged/demo/gpt4.csv"]}
    published = files_of(scores, run("experiment=published", "published_dir=."))
    assert published == {"judged": ["results/judged/just_eval/published.csv"]}
    assert stage_arguments(None, {"judged": "a.csv", "data": ["b", "c"], "code": "x.py"}) == "judged=a.csv data=b c"
    assert stage_arguments(None, {"reads": ["a", "b"], "code": "x.py"}) == "results=results reads=a b"


def test_what_figures_all_makes_follows_from_the_subject_and_the_judge():
    scored = {
        "results/tables/scores.csv", "results/tables/cases.md", "results/figures/judge_trust.pdf",
        "results/figures/aspects_radar.pdf", "results/figures/tasks_topics_radar.pdf",
    }  # fmt: skip
    whole, votes = set(in_all(run())), set(in_all(run("judge=human")))
    assert whole - votes == scored
    assert votes < whole
    assert not whole & set(beyond_all())
    assert set(in_all(run("experiment=published", "published_dir=."))) == {
        "results/tables/published_scores.csv", "results/figures/dataset_stats.pdf", "results/tables/scores.csv",
        "results/figures/aspects_radar.pdf", "results/figures/tasks_topics_radar.pdf",
    }  # fmt: skip
    everything = {one.view.out[0] for one in declared().values()}
    assert whole | set(beyond_all()) == everything - {"results/tables/published_scores.csv"}


def test_who_says_no_files_has_a_rule_of_its_own():
    rules = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    written = set(re.findall(r'name:\n\s+"((?:figures|tables)/\w+)"', rules))
    assert written == set(declared()) - set(drawn_views("figures")) - set(drawn_views("tables"))


def test_a_caption_hangs_on_the_module_that_declares_it():
    """The report reads these files and imports none of them, so its code does not hold them."""
    name = "figures/shift_ratio"
    file = declared()[name].file
    assert declared_in([name, "tables/paper"]) == [str(file)]
    assert str(file) not in code_of("report")
    assert {str(VIEWS / "declared.py"), str(VIEWS / "view.py")} <= set(code_of("report"))
    assert str(VIEWS / "declared.py") not in code_of(name)


def test_the_page_of_targets_is_what_is_declared(tmp_path: Path):
    """Otherwise: make targets."""
    text = (ROOT / "docs/targets.md").read_text()
    assert table() in text
    copy = tmp_path / "targets.md"
    copy.write_text(re.sub(r"\| `figures/.*\n", "", text))
    main([os.fspath(copy)])
    assert copy.read_text() == text
