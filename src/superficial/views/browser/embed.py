"""Text and data on their way into a page: nothing in them can end a script block, run, or hide."""

import json
from itertools import chain
from typing import Any

from markupsafe import Markup

from superficial.artifacts.markup import visible

# `<` and `&` could end or change the script block around the JSON; U+2028 and U+2029 end a line in old JavaScript.
_ESCAPES = {char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_PLAIN = {int, float, bool, type(None)}


def embed(value: Any) -> Markup:
    """JSON of `value` for a `<script type="application/json">` block; every string in it goes through `visible`.

    >>> embed({"text": "</script>"})
    Markup('{"text":"\\\\u003c/script\\\\u003e"}')
    """
    text = json.dumps(_all_visible(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char, escaped in _ESCAPES.items():  # faster than one translation, and most of a large page's time
        text = text.replace(char, escaped)
    return Markup(text)


def _all_visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _all_visible(entry) for key, entry in value.items()}
    if isinstance(value, list):
        kinds = set(map(type, value))
        if kinds == {list}:  # most of a page: lists of short lists of numbers
            kinds = set(map(type, chain.from_iterable(value)))
        return value if kinds <= _PLAIN else [_all_visible(entry) for entry in value]
    return value
