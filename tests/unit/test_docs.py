"""Pages that lead through the code name files that are there."""

import re

import faults
from support.project import ROOT

PAGE = ROOT / "docs/architecture.md"


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


def test_the_matrix_of_faults_is_that_of_the_tests_and_large():
    found = faults.faults()
    assert faults.PAGE.read_text() == faults.page()
    assert len(found) >= 100
    assert {one.group for one in found} == set(faults.GROUPS)
    assert len({(one.group, one.case) for one in found}) == len(found)
