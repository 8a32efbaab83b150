"""The last words of a run: what was made, how long it took, and what to open."""

from collections.abc import Sequence
from pathlib import Path

PAGES = {  # the first one that is there is named
    "results/index.html": "every figure and table",
    "results/browser/index.html": "every response, token by token",
}


def farewell(files: Sequence[str], started: float, now: float) -> str:
    """Of `files`, one for each figure and table of `figures/all`: which are there, and new since `started`.

    Times are seconds since the epoch; paths are relative to the folder of the run.
    """
    there = [file for file in map(Path, files) if file.is_file()]
    new = sum(file.stat().st_mtime >= started for file in there)
    made = f"{len(there)} of {len(files)} figures and tables are there, {new} of them new"
    lines = [f"Done in {duration(now - started)}: {made}. They are in {Path('results').resolve()}"]
    pages = [f"Open {Path(page).resolve()}: {what}" for page, what in PAGES.items() if Path(page).is_file()]
    return "\n".join([*lines, *pages[:1]])


def duration(seconds: float) -> str:
    """As a person says it.

    >>> duration(4.4), duration(65), duration(7260)
    ('4 s', '1 min 5 s', '2 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
