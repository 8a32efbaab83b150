"""`make gpu-check` on a tiny shape and a processor: every section runs, and what must be right is looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.project import ROOT
from support.relatives import relative

from superficial.bench import card
from superficial.bench.check import Check

HINDER = """
import sys

for name in ("pydantic", "hydra", "omegaconf", "snakemake", "pandas", "pyarrow"):
    sys.modules[name] = None  # an import fails
from superficial.bench.card import main
sys.exit(main(sys.argv[1:]))
"""


def test_every_section_runs_where_only_torch_and_transformers_are(tmp_path: Path):
    out = tmp_path / "made/card.json"
    command = [sys.executable, "-c", HINDER, "--tiny", "--out", str(out)]
    result = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    found = json.loads(out.read_text())
    assert found["torch"] == torch.__version__
    assert {row["section"] for row in found["rows"]} == {name for name, _ in card.SECTIONS}
    judged = [row for row in found["rows"] if row["right"] is not None]
    assert len(judged) == 8 + 3 + 2  # self-checks; ranks, categories, KL; one pass and the loop
    assert all(row["right"] for row in judged)
    for row in found["rows"]:
        assert row["measure"] in result.stdout


def test_a_section_that_breaks_is_a_line_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def broken(_check: Check) -> None:
        raise RuntimeError("CUDA error: misaligned address\nand more")

    def fine(check: Check) -> None:
        check.note("one", 1.0)

    monkeypatch.setattr(card, "SECTIONS", (("first", broken), ("second", fine)))
    assert card.main(["--tiny"]) == 1
    said = capsys.readouterr().out
    assert "RuntimeError: CUDA error: misaligned address" in said
    assert "FAILED" in said
    assert said.splitlines()[-1].startswith("second")
    monkeypatch.setattr(card, "SECTIONS", (("second", fine),))
    assert card.main(["--tiny", "--seconds", "-1"]) == 0
    assert "left out, the time is up" in capsys.readouterr().out


def test_a_wrong_number_fails(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(card, "SECTIONS", (("head", card.heads),))
    monkeypatch.setattr(card, "head_error", lambda *_: 1.5)
    assert card.main(["--tiny"]) == 1


def test_without_a_card_the_whole_check_is_refused(capsys: pytest.CaptureFixture[str]):
    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    assert card.main([]) == 2
    assert "no card" in capsys.readouterr().err


def test_the_pair_is_asked_and_reads_its_answers_again(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """In float32, with a tiny model in its place: its answers are its own first choices, whatever the batch."""
    monkeypatch.setattr(card, "PAIR", relative(tiny_models / "aligned", tmp_path / "aligned"))
    monkeypatch.setattr(card, "QUESTIONS", ROOT / card.QUESTIONS)
    check = Check(True, 60)
    check.tiny = False
    check.run([("pair", card.pair)])
    values = {measure: value for _, measure, value, _, _ in check.rows}
    assert values["answers alike in batches of 12 and of 1, of 12"] == 12
    assert values["answers are the model's first choice, share"] > 0.999
