"""Whatever a model, judge or user wrote: a page shows it as text, and a reader of the page gets it back."""

import json
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from support.synthetic import HOSTILE, Made, stage
from support.synthetic import example as browsed

from superficial.artifacts.markup import markdown_text, visible
from superficial.views.browser.embed import embed
from superficial.views.browser.site import write_site
from superficial.views.report.grid import Grid
from superficial.views.report.pages import page

# Pieces that mean something to HTML, Markdown or scripts, among any text, half characters included.
PIECES = st.sampled_from(
    ["<", ">", "&", '"', "'", "</script>", "<script>", "<!--", "-->", "<br>", "&lt;", "&#60;", "|", "\n", "`", "*", "_", "[a](b)",
     "\\", "{{ 7 }}", "$", "#", "- ", "1. ", "javascript:", "]]>", "\u2028", "\x00", "\ud800", "<img src=x onerror=alert(1)>"]
)  # fmt: skip
ANY = st.lists(PIECES | st.text(st.characters(exclude_categories=()), max_size=5), max_size=12).map("".join)


class Reader(HTMLParser):
    """The tags of a page, the texts of its cells, and of its script blocks."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.scripts: list[str] = []
        self._at = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("td", "script"):
            self._at = tag
            (self.cells if tag == "td" else self.scripts).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._at:
            self._at = ""

    def handle_data(self, data: str) -> None:
        if self._at:
            (self.cells if self._at == "td" else self.scripts)[-1] += data


@given(ANY)
@example("</script><script>alert(1)</script>")
def test_data_in_a_page_ends_no_block_and_comes_back(text: str):
    read = Reader(f'<p><script type="application/json">{embed({"text": text})}</script><i>')
    assert read.tags == ["p", "script", "i"]
    assert json.loads(read.scripts[0])["text"] == visible(text)


@given(ANY, ANY)
@example("a|b\n\n| c |", "<br>")
def test_a_cell_of_a_table_is_its_text(text: str, other: str):
    read = Reader(page("t", Grid("g", ["a", "b"], [[text, other]], "").markdown()))
    plain = Reader(page("t", Grid("g", ["a", "b"], [["x", "x"]], "").markdown()))
    assert [tag for tag in read.tags if tag != "br"] == plain.tags
    assert [" ".join(cell.split()) for cell in read.cells] == [" ".join(visible(one).split()) for one in (text, other)]


@given(ANY)
def test_text_in_markdown_is_one_line(text: str):
    assert "\n" not in markdown_text(text)


def test_a_page_of_the_browser_holds_the_text_of_each_example(tmp_path: Path):
    """The whole page, once: what goes into it went through `embed`, which any text has been through above."""
    cfg = stage("one")
    write_site(
        cfg,
        {"one": Made([browsed(f"e{at}", [(text, 5)], text=text, instruction=text) for at, text in enumerate(HOSTILE)])},
        tmp_path / "b",
    )
    for at, text in enumerate(HOSTILE, start=1):
        read = Reader((tmp_path / f"b/pairs/one/{at:04}.html").read_text())
        data = next(json.loads(block) for block in read.scripts if block.strip().startswith("{"))
        assert visible(text) in data.values()
