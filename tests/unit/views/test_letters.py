"""Letters that matplotlib's own fonts lack: a font is made on the spot, with one of them."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import pyplot as plt
from matplotlib.font_manager import fontManager

from superficial.config.schema import FigureConfig
from superficial.views.figures import letters, prose, shift_example, style
from superficial.views.view import View

FAMILY = "Made Up Han"
HAN, KANA = "如", "か"


@pytest.fixture(scope="module", autouse=True)
def font(tmp_path_factory: pytest.TempPathFactory):
    """A font with a square of 1 em for HAN; no other font of this machine counts."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((900, 0), (900, 800), (100, 800)):
        pen.lineTo(corner)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "han"])
    builder.setupCharacterMap({ord(HAN): "han"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "han": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "han": (1000, 100)})
    builder.setupHorizontalHeader(ascent=900, descent=-200)
    builder.setupNameTable({"familyName": FAMILY, "styleName": "Regular", "psName": "MadeUpHan"})
    builder.setupOS2(sTypoAscender=900, usWinAscent=900, usWinDescent=200)
    builder.setupPost()
    file = tmp_path_factory.mktemp("fonts") / "han.ttf"
    builder.save(file)
    fontManager.addfont(str(file))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(letters, "_installed", lambda: [FAMILY])
        letters._elsewhere.cache_clear()
        yield
    fontManager.ttflist = [entry for entry in fontManager.ttflist if entry.name != FAMILY]
    letters._elsewhere.cache_clear()


def drawn(text: str, out: Path) -> str:
    """The note of the figure; "" where every letter has a font."""
    style.set_style()
    figure = plt.figure(figsize=(4, 1))
    axis = figure.add_axes((0.2, 0.3, 0.7, 0.6))
    axis.set_yticks([0], [text])
    axis.text(0.1, 0.5, text, family=letters.MONO)
    look = {"unshifted": "blue", "marginal": "orange", "shifted": "red", "max_position": 9, "min_examples": 2}
    cfg = FigureConfig(dpi=72, example_tokens=20, **look)
    view = View(category="Instructions", title="Letters", text="")
    style.save(figure, pd.DataFrame({"a": [1]}), out, cfg, 0.0, view, [])
    return next((found.get_text() for found in figure.texts if found.get_text().startswith("□")), "")


@pytest.mark.filterwarnings("error:Glyph")
def test_letters_come_from_a_font_that_has_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert drawn(f"as {HAN} is", tmp_path / "a.pdf") == ""
    assert b"MadeUpHan" in (tmp_path / "a.pdf").read_bytes()
    assert capsys.readouterr().err == ""
    assert drawn("as it is", tmp_path / "b.pdf") == ""
    assert b"MadeUpHan" not in (tmp_path / "b.pdf").read_bytes()


@pytest.mark.filterwarnings("error:Glyph")
def test_letters_without_a_font_are_boxes_and_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    note = drawn(f"{HAN}{KANA}", tmp_path / "a.pdf")
    assert note.startswith("□: no font here for Hiragana. pip install")
    told = capsys.readouterr().err
    assert told.startswith("note: figures/a: no font on this machine for Hiragana; boxes stand for them | remedy: pip")
    assert told.count("\n") == 1


def test_text_is_set_by_the_width_that_its_letters_have():
    assert letters.advance(HAN) == pytest.approx(1, abs=1e-4)
    assert prose.drawable(f"{HAN}{KANA}\n") == f"{HAN}□\n"
    set_in = prose.lines(HAN * 100, 1.0, 7.2)  # an inch holds ten
    assert [len(line) for line in set_in] == [10] * 10
    assert shift_example.columns("abc") == 3
    assert shift_example.columns(HAN) == pytest.approx(1 / 0.602, abs=1e-3)
    assert shift_example.columns(KANA) == pytest.approx(1, abs=1e-3)  # no font: a box will stand there
