"""Where an answer ends in a text that the zero-shot template opened with a code fence (paper, section 3.1).

The template is "# Query:\\n```...```\\n\\n# Answer:\\n```\\n" and the model goes on from there, so its answer ends at
the fence that closes it, or at the query that it makes up next. Answers hold code fences of their own, so lines are
read one after the other with the depth of code blocks that are open:

- a line that starts with a fence and an info string ("```python"), or ends with a fence and one word, opens a block,
  and a line that ends with a fence which has no partner in that line closes the innermost one;
- inside a block, fences shorter than the one that opened it are text, as in Markdown;
- outside of blocks, text and then such a fence ("... done.```") closes the answer, unless the text ends in a colon or
  is the mark of a list;
- outside of blocks, a bare fence opens a block if a line of text follows directly; if what follows is a blank line, a
  query header or the end of the text, it closes the answer, and so it does before a further fence or another section of
  the layout ("# Explanation:"), unless a colon announced a block;
- outside of blocks, a line that starts with "# Query:" ends the answer.

A decision is made when no continuation of the text can change it, so that reading a text in pieces gives the same cut.
"""

import re

from superficial.config.schema import DecodingConfig, PromptConfig
from superficial.prompts.layout import SLOT

VERSIONS = {"fence": 2}  # 1 where none is told; part of the key of every stored answer: raise one when its rule changes
HEADER = "# Query:"
DECISIVE = ("\n", ":")  # every decision falls with one of these: the end of a line, or of the header

_FENCE = re.compile(r"`{3,}")
_LAST = re.compile(r"`{3,}\s*$")
_OPENS = re.compile(r"^\s*`{3,}[^`]*$|`{3,}[\w+#.-]+\s*$")
_BULLET = re.compile(r"[-*+]|\d+[.)]")
_SECTION = re.compile(r"#+ [A-Z][\w ]*:\s*$")


def stop_rule(prompt: PromptConfig, decoding: DecodingConfig) -> str:
    """What ends answers to `prompt` beside an end token: "end_of_turn" (nothing), "fence", or how its queries begin.

    A template that leaves no fence open has none that could close; its answers end at a line that begins like the last
    one with a word before {instruction} ("Q:").
    """
    template = prompt.template or ""
    before = template.partition(SLOT)[0]
    if decoding.stop == "end_of_turn" or len(_FENCE.findall(template)) % 2 == 1:
        return decoding.stop
    return next((line.strip() for line in reversed(before.splitlines()) if re.search(r"\w", line)), "end_of_turn")


def cut_by_rule(text: str, rule: str, *, final: bool = False) -> tuple[str, bool]:
    """As `cut_answer`, by what `stop_rule` gave.

    >>> cut_by_rule("Sure.\\n\\nQ: Next?", "Q:"), cut_by_rule("Sure, Q: no", "Q:")
    (('Sure.', True), ('Sure, Q: no', False))
    >>> cut_by_rule("Sure.\\n```\\n\\n", "end_of_turn")
    ('Sure.\\n```\\n\\n', False)
    """
    if rule == "fence":
        return cut_answer(text, final=final)
    found = None if rule == "end_of_turn" else re.search(f"^{re.escape(rule)}", text, re.MULTILINE)
    return (text[: found.start()].rstrip("\n"), True) if found else (text, False)


def may_end(piece: str, rule: str) -> bool:
    """Whether an answer can have met `rule` with this piece of text; half a character may be any."""
    if rule == "end_of_turn":
        return False
    return any(mark in piece for mark in (DECISIVE if rule == "fence" else (rule[-1], "\ufffd")))


def cut_answer(text: str, *, final: bool = False) -> tuple[str, bool]:
    """The answer in `text`, and whether its end was found; `final` says that nothing follows.

    The cut is exact but for line breaks right before it, which belong to the layout. Without an end the text comes back
    whole.

    >>> cut_answer("Sure.\\n```python\\n# Query: no\\n```\\nThat is every line.\\n```\\n\\n# Query:\\n```Next?```")
    ('Sure.\\n```python\\n# Query: no\\n```\\nThat is every line.', True)
    >>> cut_answer("Sure: ```\\nx = 1\\n```\\nDone.```\\n\\n")  # a bare fence with text below it opens a block
    ('Sure: ```\\nx = 1\\n```\\nDone.', True)
    >>> cut_answer("Sure.\\n```\\n# Explanation:\\nIt is sure.")  # but not before a further section of the layout
    ('Sure.', True)
    >>> cut_answer("Sure.\\n```")  # the next line will tell ...
    ('Sure.\\n```', False)
    >>> cut_answer("Sure.\\n```", final=True)  # ... unless there is none
    ('Sure.', True)
    >>> cut_answer("Sure.\\n\\n# Query:")
    ('Sure.', True)
    >>> cut_answer("Type ```ls``` to see every # Query: of yours", final=True)
    ('Type ```ls``` to see every # Query: of yours', False)
    """
    end = _find_end(text, final)
    return (text, False) if end is None else (text[:end].rstrip("\r\n"), True)


def _find_end(text: str, final: bool) -> int | None:
    """Index where the answer's last line ends, None while that is open."""
    blocks: list[int] = []  # lengths of the fences that opened what is open
    start = 0
    while start < len(text):
        if not blocks and text.startswith(HEADER, start):
            return start
        line, ended, following = _line(text, start)
        if not ended and not final:
            return None
        fences = [fence for fence in _FENCE.findall(line) if not blocks or len(fence) >= blocks[-1]]
        last = _LAST.search(line)
        if len(fences) % 2 == 0:
            pass  # none, or each has its partner
        elif last and blocks:
            blocks.pop()
        elif last:
            before, beside = text[: start + last.start()].rstrip(), line[: last.start()].strip()
            announced = not before or before.endswith(":") or bool(_BULLET.fullmatch(beside))
            if beside and not announced:
                return start + last.start()
            closes = _closes(text, following, final, announced=announced)
            if closes is None:
                return None
            if closes:
                return start + (last.start() if beside else 0)
            blocks.append(len(fences[-1]))
        elif _OPENS.search(line):
            blocks.append(len(fences[-1]))
        start = following
    return None


def _closes(text: str, start: int, final: bool, *, announced: bool) -> bool | None:
    """Whether a bare fence closes the answer, by the line after it at `start`; None while that is open."""
    line, ended, _ = _line(text, start)
    if line.startswith(HEADER):
        return True
    if not ended and not final:
        return None
    if not line.strip() or (not ended and HEADER.startswith(line)):
        return True
    whole = line if ended or ":" in line else f"{line}:"
    return not announced and bool(_FENCE.match(line) or _SECTION.match(whole))


def _line(text: str, start: int) -> tuple[str, bool, int]:
    """The line at `start`, whether its newline is there, and where the next one starts."""
    end = text.find("\n", start)
    return (text[start:], False, len(text)) if end < 0 else (text[start:end], True, end + 1)
