"""A pair that is in no file, from a hub to the comparison of its tokens."""

import json
from pathlib import Path

import pandas as pd
import pytest
from support.hub_server import COMMIT, HubServer
from support.project import Project

from superficial.config.custom_pair import model_name, pair_name


def test_a_custom_pair_runs_from_the_hub(
    project: Project, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    names = ("org/Base", "org/Aligned")
    shifts = f"results/shifts/tiny/{pair_name(*names)}/zero_shot.parquet"
    with HubServer({"org/Base": tiny_models / "base", "org/Aligned": tiny_models / "aligned"}) as hub:
        hub.use(monkeypatch, tmp_path / "hf")
        # The tests' own HF_HUB_OFFLINE would be taken for the user's.
        monkeypatch.delenv("SUPERFICIAL_HUB_OFFLINE")
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        project.made(shifts, hydra=("pair=custom", f"base={names[0]}", f"aligned={names[1]}"))
    for name in names:
        manifest = json.loads((project.folder / f"results/models/{model_name(name)}/manifest.json").read_text())
        assert manifest["source"] == {"kind": "hub", "repo": name, "revision": COMMIT, "subfolder": None}
    assert len(pd.read_parquet(project.folder / shifts)) > 0
