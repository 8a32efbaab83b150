"""How pages are written: templates that escape, files that are the same everywhere."""

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from superficial.artifacts.markup import visible

ASSETS = Path(__file__).resolve().parent / "assets"
SHARED = ("browser.css", "common.js")  # of the assets, what every set of pages needs


def environment(package: str = "superficial.views.browser") -> Environment:
    """The templates of a package, on top of those here. Texts are escaped, and what would not show is spelled out."""
    loader = ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, "superficial.views.browser"))])
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, finalize=_finalize,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def page_name(number: int, block: int = 1) -> str:
    """Link to a page: a number, because an id may hold anything. example.js names pages alike.

    A page that holds a `block` of examples is named after the first; the query says which of them is shown.

    >>> page_name(7), page_name(7, 5)
    ('0007.html', '0006.html?7')
    """
    if block == 1:
        return f"{number:04}.html"
    return f"{page_name(number - (number - 1) % block)}?{number}"


def write_page(path: Path, text: str) -> None:
    """Bytes, not text mode: line ends stay the same on every system."""
    path.write_bytes(text.encode())


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
