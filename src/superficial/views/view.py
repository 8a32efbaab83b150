"""What a figure or table declares where it stands: the workflow, the report and the README take it from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Category = Literal[
    "Token distribution shift", "Base models under prompts", "Judged answers", "Instructions", "Beside the paper"
]


@dataclass(frozen=True, kw_only=True)
class View:
    """A module of `views/` has one as its VIEW, written in literals: `views/declared.py` reads it without an import.

    Paths may hold {dataset}, {context}, {judge} (the run's own), {judged} (whose scores the run shows), {published}
    and {pair}; with {pair} there is a file for each pair of the run.
    """

    category: Category  # in the report and in the README
    title: str
    text: str  # the caption: what there is to see, in words that hold for every run
    paper: str = ""  # what of the paper it repeats
    slice: str = "figure"  # what it reads of the configuration (`pipeline/slices`)
    reads: Sequence[str] = ()  # files that `run` finds by itself below `results`
    files: Mapping[str, str] = field(default_factory=dict)  # files that `run` is given by these names
    part_of: Sequence[Literal["models", "published"]] = ("models",)  # subjects of runs whose figures/all has it
    needs: Literal["", "scores", "judge"] = ""  # figures/all leaves it out without scores, or without scores by the run
    name: str = ""  # of the target, where it is not FOLDER/MODULE
    out: Sequence[str] = ()  # where it is not results/NAME with the suffixes of FORMS in `declared.py`
