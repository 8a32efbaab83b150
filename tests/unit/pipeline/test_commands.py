"""The commands for people: listed with a line each, and each helps with an example."""

import importlib
import re

import pytest

from superficial.__main__ import is_stage, main
from superficial.pipeline.commands import COMMANDS, OWN
from superficial.pipeline.stages import STAGES


def test_without_a_word_every_command_has_one_line_and_no_stage_is_listed(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = re.findall(r"^  (\w+)  +\S.*\.$", "\n".join(lines), re.MULTILINE)
    assert listed == ["ask", "prompt", "plan", "why", "lock", "verify", "report"]
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_ends_with_an_example_of_it(name: str, capsys: pytest.CaptureFixture[str]):
    assert main([name, "--help"]) == 0
    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert re.match(rf" +superficial {name}( |$)", last)


def test_commands_can_be_imported_and_hide_no_stage():
    for one in {**COMMANDS, **OWN}.values():
        assert callable(importlib.import_module(one.module).main)
    assert all(is_stage([name, "--cfg", "{}"]) for name in STAGES)
    for name in {**COMMANDS, **OWN}:
        assert not is_stage([name])


def test_an_unknown_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]):
    assert main(["aks"]) == 2
    assert capsys.readouterr().err == "error: superficial: no command 'aks' | remedy: did you mean ask?\n"
