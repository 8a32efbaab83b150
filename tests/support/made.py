"""Results as they lie on disk once figures and tables were made: small, and full of hostile text."""

from collections.abc import Iterable
from pathlib import Path

from support.synthetic import HOSTILE

from superficial.views.declared import declared
from superficial.views.notes.caption import Caption
from superficial.views.report.grid import Grid

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="486" height="200"><rect width="486" height="200"/></svg>'


def make_results(folder: Path, names: Iterable[str]) -> list[Path]:
    """Every file of each figure, table or set of pages; returns the first of each."""
    made = []
    for number, name in enumerate(names):
        text = HOSTILE[number % len(HOSTILE)]
        forms = dict(Caption(declared()[name].view.title, [text, f"n = {number + 2} responses."]).forms())
        forms |= {".svg": SVG, ".html": "<title>pages</title>"}
        wide = Grid(text, [f"column {at}" for at in range(12)], [["12.3 [10.1, 14.5]"] * 12])
        files = [folder / Path(path).relative_to("results") for path in declared()[name].view.out]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            end = file.name.removeprefix(file.name.split(".")[0])
            file.write_text(forms.get(end, wide.markdown() if end == ".md" else ""), encoding="utf-8")
        made.append(files[0])
    return made
