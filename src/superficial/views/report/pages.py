"""Tables as pages: static, without scripts, light and dark."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from superficial.artifacts.markup import visible

BREAK = "\x01"  # stands for a line break while a page is made; no visible text holds it
_CELL = re.compile(r"<t[dh][ >].*?</t[dh]>", flags=re.DOTALL)


def page(title: str, markdown: str) -> str:
    """A whole page. What is markup in HTML stays text, but for line breaks in the cells of tables."""
    pages = Environment(
        loader=PackageLoader("superficial.views.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return pages.get_template("page.html").render(title=title, body=rendered(markdown))


def rendered(markdown: str) -> Markup:
    """A part of a page that has a title: Markdown without its first heading."""
    markdown = re.sub(r"\A# .*", "", markdown)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    # Escaped text holds no plain "<br>", so that one which somebody wrote into a cell stays text.
    html = body.render(visible(markdown).replace("<br>", BREAK))
    html = _CELL.sub(lambda cell: cell[0].replace(BREAK, "<br>"), html).replace(BREAK, "&lt;br&gt;")
    html = html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return Markup(html)
