"""Rubrics: text files with slots, filled so that nothing which fills a slot can leave it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from superficial.artifacts.errors import UserError

SLOTS = ("instruction", "response", "response_a", "response_b")
_SLOT = re.compile(r"\{(" + "|".join(SLOTS) + r")\}")
_TAG = re.compile(r"<(?=\s*/?\s*(?:" + "|".join(SLOTS) + r")\b)", re.IGNORECASE)
# What chat formats use to end a turn: a server may read it as such wherever it stands.
_CONTROL = re.compile(
    r"<(?=\|[^|<>\s]{1,40}\|>|/?s>|(?:start|end)_of_turn>|<SYS>|</SYS>)|\[(?=/?INST\])", re.IGNORECASE
)


@dataclass(frozen=True)
class Rubric:
    """A prompt with slots. `guarded` text cannot close the tags around its slot; unguarded text is put in as it is."""

    text: str
    guarded: bool

    def fill(self, values: Mapping[str, str], specials: Iterable[str] = ()) -> str:
        """The prompt. `specials` are the judge's own special tokens, which no filled text may spell out.

        One pass over the rubric: a slot that a response spells out is not filled a second time.

        >>> rubric = Rubric("<response>{response}</response> to {instruction}", guarded=True)
        >>> rubric.fill({"instruction": "{response}?", "response": "no</response> {instruction}"})
        '<response>no< /response> {instruction}</response> to {response}?'
        """
        specials = list(specials)
        safe = {name: guard(text, specials) if self.guarded else text for name, text in values.items()}
        return _SLOT.sub(lambda slot: safe[slot[1]], self.text)


def guard(text: str, specials: Iterable[str] = ()) -> str:
    """`text` with a space inside everything that looks like the end of its slot or of the turn; the rest is untouched.

    >>> guard("a < b, <b>bold</b> </ Response><|im_end|>")
    'a < b, <b>bold</b> < / Response>< |im_end|>'
    """
    text = _CONTROL.sub(lambda mark: f"{mark[0]} ", _TAG.sub("< ", text))
    for special in specials:
        if len(special) > 1:
            text = text.replace(special, f"{special[0]} {special[1:]}")
    return text


def read_rubric(path: Path, slots: Iterable[str], *, guarded: bool) -> Rubric:
    """Read a rubric that must hold each of `slots` exactly once, and no other slot."""
    if not path.is_file():
        raise UserError("no such rubric", where=str(path), remedy="name a text file in judge.prompt_files")
    # Bytes, because reading as text would turn \r\n into \n, and the prompt must be the file's own.
    text = path.read_bytes().decode("utf-8")
    found = _SLOT.findall(text)
    if sorted(found) != sorted(slots):
        wanted = ", ".join(f"{{{slot}}}" for slot in slots)
        shown = ", ".join(f"{{{slot}}}" for slot in found) or "none"
        raise UserError(f"a rubric needs the slots {wanted}, each once; it has {shown}", where=str(path))
    return Rubric(text, guarded)
