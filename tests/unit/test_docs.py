"""Pages that lead through the code name files that are there."""

import re

from support.project import ROOT

from superficial.views.declared import declared

PAGE = ROOT / "docs/architecture.md"
FIGURES = ROOT / "docs/figures.md"


def walks() -> list[list[str]]:
    """The files of each walk, in order."""
    parts = re.split(r"^## Walk", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return [re.findall(r"^\d+\. `([^`]+)`:", part.split("\n## ")[0], re.MULTILINE) for part in parts]


def test_a_walk_names_files_that_are_there_and_none_twice():
    assert [len(walk) > 15 for walk in walks()] == [True, True]
    for walk in walks():
        assert [name for name in walk if not (ROOT / name).is_file()] == []
        assert len(set(walk)) == len(walk)


def test_the_table_of_layers_is_that_of_the_package():
    rows = re.findall(r"^\| ((?:`[\w./]+`(?:, )?)+) \|", PAGE.read_text(), re.MULTILINE)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([\w./]+)`", row)}
    found = {path.name for path in (ROOT / "src/superficial").iterdir()}
    assert named == found - {"__init__.py", "__pycache__"}


def test_every_package_that_the_page_names_says_what_it_holds():
    for file in (ROOT / "src/superficial").glob("*/__init__.py"):
        assert file.read_text().startswith('"""'), file


def test_every_figure_has_a_section_that_says_how_to_read_it():
    parts = re.split(r"^### `(figures/\w+)`\n", FIGURES.read_text(), flags=re.MULTILINE)[1:]
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    assert len(sections) == len(parts) // 2
    assert set(sections) == {name for name in declared() if name.startswith("figures/")}
    for name, text in sections.items():
        assert "- *Look for*" in text, name
        assert "- *It cannot say*" in text, name


def test_the_page_on_figures_has_the_categories_of_the_report():
    headings = re.findall(r"^## (.*)|^### `(figures/\w+)`", FIGURES.read_text(), flags=re.MULTILINE)
    under, found = "", {}
    for heading, name in headings:
        under = heading or under
        if name:
            found[name] = under
    assert found == {name: declared()[name].view.category for name in found}
