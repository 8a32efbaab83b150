"""Every figure and table of one instruction: where something cannot be told, it is left out or said, never a crash."""

import json

import pandas as pd
import pytest
from support.project import Project


@pytest.mark.fault(
    "instructions",
    "one example, and it is a regular one: there is no harmful instruction",
    "every figure is drawn and says n = 1",
)
@pytest.mark.fault(
    "instructions",
    "one example, and it is a harmful one: there is no regular instruction",
    "every figure is drawn and says n = 1",
)
@pytest.mark.parametrize("category", ["regular", "safety"])
def test_everything_is_made_of_one_instruction(project: Project, category: str):
    row = {"id": "only", "instruction": "How do I keep a plant alive?", "category": category}
    (project.folder / "resources/datasets/tiny.jsonl").write_text(json.dumps(row) + "\n")
    project.made()
    ratios = pd.read_csv(project.folder / "results/figures/shift_ratio.csv")
    assert len(ratios)
    for name in ("shift_by_topic", "tasks_topics_radar"):  # the instruction names neither task nor topic
        assert (project.folder / f"results/figures/{name}.svg").read_text().count("<!-- no instruction") == 2, name
