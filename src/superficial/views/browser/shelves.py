"""The texts of a large index, in files beside the pages: the index itself holds numbers, and loads what it shows."""

import json
from pathlib import Path
from typing import Any

from superficial.views.browser.embed import embed
from superficial.views.browser.page import write_page

BLOCK = 25  # examples of a page
SIZE = 1000  # examples of a shelf
CUT = 301  # characters of an instruction that the list shows, and one more; index.js cuts them


class Shelves:
    """Files of SIZE examples: `heads` has ids and the beginnings of instructions, `words` all that is searched."""

    def __init__(self) -> None:
        self._tags: dict[str, int] = {}
        self._heads: list[list[str]] = []
        self._words: list[str] = []
        self._number = 1

    def shelved(self, entry: dict[str, Any], folder: Path) -> list[Any]:
        """The entry without texts, as index.js reads it: category, tasks, topics, counts, moved, KL."""
        self._heads.append([entry["id"], entry["instruction"][:CUT]])
        self._words.append("\n".join([entry["id"], entry["instruction"], entry["text"]]))
        if len(self._heads) == SIZE:
            self._write(folder)
        tags = [[self._tag(tag) for tag in entry[name]] for name in ("tasks", "topics")]
        return [self._tag(entry["category"]), *tags, entry["counts"], entry["moved"], entry["kl"]]

    def close(self, folder: Path) -> None:
        """Write what is left of a pair; the next pair begins anew."""
        if self._heads:
            self._write(folder)
        self._number = 1

    def facts(self) -> dict[str, Any]:
        """What index.js has to know to read the entries."""
        return {"shelf": SIZE, "block": BLOCK, "tags": list(self._tags)}

    def _tag(self, text: str) -> int:
        return self._tags.setdefault(text, len(self._tags))

    def _write(self, folder: Path) -> None:
        for kind, rows in (("heads", self._heads), ("words", self._words)):
            name = f"{kind}-{self._number:04}.js"
            write_page(folder / name, f"shift.shelf({json.dumps(f'pairs/{folder.name}/{name}')}, {embed(rows)});\n")
        self._heads, self._words = [], []
        self._number += 1
