"""Token ids as text that a person can read."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from superficial.artifacts.markup import readable
from superficial.models.load import load_tokenizer


class TokenText:
    """Readable text of single tokens of one model; ids stay the key, two ids may read alike."""

    def __init__(self, manifest: Path) -> None:
        self._tokenizer = load_tokenizer(manifest)
        self.show = cache(self._show)

    def show_all(self, ids: Iterable[int]) -> list[str]:
        """Readable text of each id."""
        return [self.show(int(token)) for token in ids]

    def _show(self, token: int) -> str:
        text = str(self._tokenizer.decode([token]))
        if "\ufffd" in text:  # a piece of a character: show its bytes
            return str(self._tokenizer.convert_ids_to_tokens(token))
        return readable(text)
