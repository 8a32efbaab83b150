"""One stage, called as the workflow calls it, in this process."""

import json
from pathlib import Path

import pytest

from superficial.__main__ import main

RUNTIME = {"device": "cpu", "generate_batch": 4, "score_tokens": 100, "position_chunk": 16}


def data_stage(source: Path, out: Path, *more: str, name: str = "x") -> int:
    """Read instructions from `source`; returns the exit code."""
    return stage("data", {"name": name, "path": str(source), "limit": None}, f"source={source}", f"out={out}", *more)


def stage(name: str, cfg: object, *words: str) -> int:
    """The exit code of a stage."""
    return main([name, "--cfg", json.dumps(cfg), "--runtime", json.dumps(RUNTIME), *words])


def told(capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that was said; fails where it is not one line, or no error."""
    said = capfd.readouterr().err
    assert said.count("\n") == 1, said
    assert said.startswith("error: ")
    return said
