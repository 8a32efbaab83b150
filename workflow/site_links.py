"""A hook of the site's builder: it names files of the project that pages link to, for the site does not have them."""

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)]+)\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """`[text](../path)` becomes `text (path)`."""
    return OUTSIDE.sub(r"\1 (`\2`)", markdown)
