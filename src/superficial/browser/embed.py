"""Text and data on their way into a page: nothing in them can end a script block, run, or hide."""

import json
import re
from typing import Any

from markupsafe import Markup

from superficial.tokens import readable

# Control characters, lone surrogates, and the bidirectional controls: an unpaired one of those can end the isolate
# that the page puts around a text. Tabs and line breaks stay.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# `<` and `&` could end or change the script block around the JSON; U+2028 and U+2029 end a line in old JavaScript.
_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def visible(text: str) -> str:
    r"""`text` with every character that would not show, or could not be written as UTF-8, spelled out.

    >>> visible("a\x00b\ud800c\n")
    'a<U+0000>b\\ud800c\n'
    """
    return _HIDDEN.sub(_spell, text)


def _spell(found: re.Match[str]) -> str:
    char = found[0]
    return f"\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else readable(char)


def embed(value: Any) -> Markup:
    """JSON of `value` for a `<script type="application/json">` block; every string in it goes through `visible`.

    >>> embed({"text": "</script>"})
    Markup('{"text":"\\\\u003c/script\\\\u003e"}')
    """
    text = json.dumps(_all_visible(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_ESCAPES))


def _all_visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _all_visible(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [entry if isinstance(entry, int | float) else _all_visible(entry) for entry in value]
    return value
