"""What is said of a figure lies beside it, in Markdown and in LaTeX, and stands in the picture when it is asked for."""

import json
import re
import struct
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from matplotlib import pyplot as plt
from support.latex import typeset, with_latex
from support.project import ROOT
from support.synthetic import HOSTILE

from superficial.config.schema import FigureConfig, FigureStage
from superficial.pipeline.run import Run
from superficial.views.figures import style
from superficial.views.notes.caption import Caption, caption, caption_file, data, plain
from superficial.views.view import View

LOOK = {"dpi": 100, "unshifted": "c", "marginal": "y", "shifted": "m", "max_position": 9, "min_examples": 2}
LOOK |= {"example_tokens": 20}
VIEW = View(category="Instructions", title="What there is", text="Bars of something.", paper="Figure 6")
TOLD = ["n = 7 responses.", "", "95 % intervals [1, 2] of a_b, $x$."]


def saved(folder: Path, **changes: object) -> tuple[set[str], Path]:
    """The texts of a picture of two axes that was saved, and where."""
    cfg = FigureConfig(**LOOK, **changes)
    style.set_style()
    figure, axes = plt.subplots(*style.shape(cfg, 2), figsize=(style.width(cfg), 2), layout="constrained")
    axes[0].barh([0], [1])
    style.save(figure, pd.DataFrame({"a": [1]}), folder / "x.pdf", cfg, 0.0, VIEW, TOLD)
    return {text.get_text() for text in figure.texts}, folder / "x.pdf"


def test_a_picture_has_one_title_and_the_rest_lies_beside_it(tmp_path: Path):
    texts, out = saved(tmp_path)
    assert texts == {"What there is"}
    said = caption_file(out).read_text(encoding="utf-8")
    assert plain(said).rstrip() == (
        "What there is. Bars of something. Compare Figure 6 of Lin et al. (2024). n = 7 responses. "
        "95 % intervals [1, 2] of a_b, $x$."
    )
    latex = out.with_suffix(".caption.tex").read_text(encoding="utf-8")
    assert latex.startswith(r"\caption[{What there is}]{\textbf{What there is.} Bars of something.")
    assert r"95 \% intervals [1, 2] of a\_b, \$x\$." in latex
    sidecars = {file.name: json.loads(file.read_text())["outputs"] for file in tmp_path.glob("*.meta.json")}
    assert set(sidecars) == {"x.pdf.meta.json", "x.caption.md.meta.json"}
    assert {Path(file).name for made in sidecars.values() for file in made} == {
        f"x.{form}" for form in ("pdf", "png", "svg", "csv", "caption.md", "caption.tex")
    }


def test_notes_bring_the_caption_back_into_the_picture(tmp_path: Path):
    texts, out = saved(tmp_path, notes=True)
    [note] = texts - {"What there is"}
    words = " ".join(note.split())
    assert words == plain(caption_file(out).read_text(encoding="utf-8")).removeprefix("What there is. ").strip()


@pytest.mark.parametrize(("columns", "inches"), [(1, 3.25), (2, 6.75)])
@pytest.mark.parametrize("notes", [False, True])
def test_a_figure_is_as_wide_as_its_columns(tmp_path: Path, columns: int, inches: float, notes: bool):
    _, out = saved(tmp_path, columns=columns, notes=notes)
    box = re.search(rb"/MediaBox *\[ *0 0 ([\d.]+) ", out.read_bytes())
    assert box
    assert float(box[1]) == pytest.approx(72 * inches, abs=0.01)
    width, _height = struct.unpack(">II", out.with_suffix(".png").read_bytes()[16:24])
    assert width == pytest.approx(100 * inches, abs=1)
    assert b"/FontFile2" in out.read_bytes()  # letters, not outlines


def test_names_stand_in_the_place_of_keys():
    known = {"context": "zero_shot", "dataset": "demo", "confidence": 0.95, "pairs": []}
    named = FigureStage(**LOOK, **known, dataset_title="default instructions", context_title="Zero-shot")
    assert data(named) == "Data: default instructions; context of the base: Zero-shot."
    assert data(FigureStage(**LOOK, **known)) == "Data: demo; context of the base: zero_shot."


def test_whatever_a_title_holds_stays_text():
    for text in HOSTILE:
        said = Caption(text, [text])
        html = MarkdownIt("commonmark", {"html": False}).render(said.forms()[".caption.md"])
        assert re.findall(r"<[^>]*>", html)[:2] == ["<p>", "<strong>"]
        assert set(re.findall(r"</?\w+", html)) <= {"<p", "</p", "<strong", "</strong"}, text


@with_latex
def test_captions_compile_beside_their_pictures(tmp_path: Path):
    _, out = saved(tmp_path)
    parts = []
    for number, text in enumerate([None, *HOSTILE]):
        if text is not None:
            forms = caption(View(category="Instructions", title=text, text=text), [text]).forms()
            (tmp_path / f"y{number}.caption.tex").write_text(forms[".caption.tex"], encoding="utf-8")
        name = out.stem if text is None else f"y{number}"
        picture = r"\includegraphics[width=\linewidth]{x.pdf}"
        parts.append(rf"\begin{{figure}}{picture}\input{{{name}.caption.tex}}\label{{{name}}}\end{{figure}}\clearpage")
    text = "\\listoffigures\n" + "\n".join(parts) + "\n"
    typeset(text, tmp_path, "\\usepackage{graphicx}\n")
    lines = (tmp_path / "table0.lof").read_text()
    assert lines.count("contentsline") == 1 + len(HOSTILE)
    assert "What there is" in lines


@pytest.mark.parametrize(
    ("overrides", "title"),
    [
        ([], "default instructions"),
        (["dataset.path=README.md", "dataset.name=mine"], "mine"),
        (["dataset.path=README.md"], "demo"),
        (["dataset.name=mine", "dataset.title=My own"], "My own"),
        (["dataset=just_eval", "dataset.path=README.md"], "just-eval-instruct"),  # a copy of the same instructions
    ],
)
def test_instructions_go_by_their_title_and_by_no_other_s(overrides: list[str], title: str):
    cfg = FigureStage.model_validate_json(Run(ROOT / "config", overrides).slice("figure"))
    assert cfg.data == title


def test_a_title_makes_no_instructions_stale():
    plain_run, named = (Run(ROOT / "config", more) for more in ([], ["dataset.title=Other"]))
    assert plain_run.slice("data", "demo") == named.slice("data", "demo")
    assert plain_run.slice("figure") != named.slice("figure")
