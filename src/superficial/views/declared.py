"""Every figure and table with what it declares, read from the modules' text: importing them would take seconds."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from superficial.views.view import View

VIEWS = Path(__file__).resolve().parent
DECLARATION = re.compile(r"^VIEW = (View\(\n.*?^\))", re.MULTILINE | re.DOTALL)
FORMS = {
    "figures": (".pdf", ".png", ".svg", ".csv", ".caption.md", ".caption.tex"),
    "tables": (".csv", ".md", ".tex"),
}


@dataclass(frozen=True)
class DeclaredView:
    """A view, and the file that declares it."""

    view: View
    file: Path

    @property
    def module(self) -> str:
        """Its name for an import."""
        return ".".join(["superficial.views", *self.file.relative_to(VIEWS).with_suffix("").parts])

    @property
    def title(self) -> str:
        """With what it repeats of the paper."""
        return f"{self.view.title} ({self.view.paper})" if self.view.paper else self.view.title


@cache
def declared() -> Mapping[str, DeclaredView]:
    """Every view by the name of its target; name and outputs are filled in."""
    found = {}
    for file in sorted(VIEWS.glob("*/*.py")):
        if declaration := DECLARATION.search(file.read_text(encoding="utf-8")):
            view = _read(declaration[1])
            name = view.name or f"{file.parent.name}/{file.stem}"
            out = view.out or [f"results/{name}{form}" for form in FORMS[name.split("/")[0]]]
            found[name] = DeclaredView(replace(view, name=name, out=tuple(out)), file)
    return found


def _read(text: str) -> View:
    """The View that a call with literals makes."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    return View(**{str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords})
