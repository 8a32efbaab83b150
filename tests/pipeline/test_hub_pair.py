"""A pair that is in no file, from a hub or from folders to the comparison of its tokens."""

import json
from pathlib import Path

import pandas as pd
import pytest
from support.adapters import LINEAR, make_base, train
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


def test_a_custom_pair_of_folders_may_be_a_model_and_an_adapter(project: Project, tmp_path: Path):
    """With the two tokens that the adapter adds, its chat template writes one at the end of each turn."""
    base, adapter = make_base(tmp_path / "own base"), tmp_path / "adapter"
    train(base, adapter, config={"target_modules": LINEAR, "modules_to_save": ["embed_tokens", "lm_head"]})
    shifts = f"results/shifts/tiny/{pair_name(str(base), str(adapter))}/zero_shot.parquet"
    project.made(shifts, hydra=("pair=custom", f"'base={base}'", f"aligned={adapter}"))
    pair = json.loads((project.folder / f"results/pairs/{pair_name(str(base), str(adapter))}.json").read_text())
    assert (pair["verdict"], pair["end_of_turn"]) == ("restricted", "role")
    assert [token["text"] for token in pair["aligned"]["only"]] == ["<eos>", "<|im_start|>"]
    assert len(pd.read_parquet(project.folder / shifts)) > 0
