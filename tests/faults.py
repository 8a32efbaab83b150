"""The fault matrix: `python -m tests.faults` writes docs/faults.md from the tests that carry the mark `fault`.

@pytest.mark.fault(GROUP, CASE, ENDING): CASE is a text, or the name of a dict or list of the module whose keys or
texts are the cases of a parametrized test. Marks are read from the sources, so that nothing is imported.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs/faults.md"
GROUPS = (
    "configuration", "instructions", "models", "adapters", "tokenizers", "servers", "judges", "files",
    "operating system",
)  # fmt: skip
HEAD = """# What can go wrong, and how it ends

This page is made from the tests that hold each case: `python -m tests.faults` writes it, and a test compares. Every case
either is handled, or ends in one line that says what is wrong, where, and what to do. Finished work is kept in both.

A stage or command ends with exit code 2 for what its user can mend, 1 for any other error and 130 after Ctrl-C; a run
of the workflow that fails ends with 1. A job of the workflow writes where an unexpected error came from into its log.
`python -m superficial STAGE ... --debug` shows it in the terminal.
"""


@dataclass(frozen=True)
class Fault:
    """One case, and the test that holds it."""

    group: str
    case: str
    ending: str
    test: str  # FILE::NAME, below tests/


def faults() -> list[Fault]:
    """All cases, by group and then by test."""
    found = [fault for file in sorted(TESTS.rglob("test_*.py")) for fault in _in_file(file)]
    return sorted(found, key=lambda one: GROUPS.index(one.group))


def _in_file(file: Path) -> Iterator[Fault]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    values = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        marks = [node for decorator in function.decorator_list for node in ast.walk(decorator) if _is_mark(node)]
        for mark in marks:
            group, case, ending = mark.args
            for name in _cases(values[case.id] if isinstance(case, ast.Name) else case):
                place = f"{file.relative_to(TESTS)}::{function.name}"
                yield Fault(ast.literal_eval(group), name, ast.literal_eval(ending), place)


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fault"


def _cases(node: ast.expr) -> list[str]:
    parts = node.keys if isinstance(node, ast.Dict) else node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    return [str(ast.literal_eval(part)) for part in parts if part is not None]


def page() -> str:
    """The text of docs/faults.md."""
    parts, found = [HEAD], faults()
    parts.append(f"{len(found)} cases.\n")
    for group in GROUPS:
        rows = [one for one in found if one.group == group]
        parts.append(f"## {group.capitalize()}\n\n| case | ends in | test |\n| --- | --- | --- |")
        parts += [f"| {_cell(one.case)} | {_cell(one.ending)} | `{one.test}` |" for one in rows]
        parts.append("")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: {len(faults())} cases", file=sys.stderr)
