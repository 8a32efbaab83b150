"""What becomes of each thing that Snakemake says; whoever wants Snakemake's own output gets it."""

import io
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.logging import DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

import snakemake_logger_plugin_superficial as plugin
from superficial.artifacts.told import TOLD

JOB = {"jobid": 3, "rule_name": "score", "wildcards": {"dataset": "demo", "side": "base"}, "log": ["score.log"]}


@pytest.fixture(autouse=True)
def nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(TOLD.variable, "")
    monkeypatch.delenv("SUPERFICIAL_ERRORS", raising=False)


def handler(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, **asked: object) -> plugin.LogHandler:
    monkeypatch.setattr("sys.stderr", stream)
    usual = {"dryrun": False, "verbose": False, "debug_dag": False, "printshellcmds": False, "nocolor": True}
    settings = usual | {"stdout": False, "quiet": {Quietness.RULES, Quietness.HOST, Quietness.REASON}} | asked
    return plugin.LogHandler(SimpleNamespace(**settings), None)


def record(text: str | None, event: LogEvent | None = None, level: int = logging.INFO, **said: object):
    made = logging.LogRecord("snakemake", level, "", 0, text, None, None)
    made.__dict__.update(said | {"event": event})
    return made


def test_a_line_for_each_job_and_what_a_person_has_to_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    said = io.StringIO()
    shows = handler(said, monkeypatch)
    assert shows.has_filter
    Path("score.log").touch()  # as the job does
    for one in (
        record("Building DAG of jobs..."),
        record("Job stats: many", LogEvent.RUN_INFO),
        record("Nothing to be done."),
        record(None, LogEvent.JOB_INFO, jobid=2, rule_name="shards", wildcards={}, log=[]),
        record("Rule: score", LogEvent.JOB_INFO, **JOB),
        record("Finished jobid: 2", LogEvent.JOB_FINISHED, job_id=2),
        record(None, LogEvent.PROGRESS, done=1, total=3),
        record("Finished jobid: 3", LogEvent.JOB_FINISHED, job_id=3),
        record(None, LogEvent.PROGRESS, done=2, total=3),
        record("Rule: score", LogEvent.JOB_INFO, **JOB),
        record("Error in rule score", LogEvent.JOB_ERROR, logging.ERROR, jobid=3),
        record("CalledProcessError: long", LogEvent.ERROR, logging.ERROR, exception="CalledProcessError"),
        record("a rule has no such file", LogEvent.ERROR, logging.ERROR, exception="MissingInputException"),
    ):
        shows.emit(one)
    shows.close()
    assert said.getvalue().splitlines() == [
        "Looking for what has to be made ...", "Nothing to be done.", "[2 of 3] score base, 0 s", "failed: score base, 0 s, see score.log",
        "a rule has no such file",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "asked", [{"dryrun": True}, {"verbose": True}, {"printshellcmds": True}, {"quiet": {Quietness.HOST}}]
)
def test_whoever_wants_more_gets_snakemake_s_own_output(monkeypatch: pytest.MonkeyPatch, asked: dict[str, object]):
    said = io.StringIO()
    shows = handler(said, monkeypatch, **asked)
    assert not shows.has_filter
    assert not os.environ[TOLD.variable]  # jobs write to the terminal themselves
    shows.addFilter(DefaultFilter(set(), False, False, False, True))
    shows.setFormatter(DefaultFormatter())
    shows.handle(record("Building DAG of jobs..."))
    shows.handle(record("Finished jobid: 2 (Rule: score)", LogEvent.JOB_FINISHED, job_id=2))
    shows.close()
    assert said.getvalue().startswith("Building DAG of jobs...\n")
    assert said.getvalue().endswith("Finished jobid: 2 (Rule: score)\n")


def test_a_display_that_breaks_is_given_up_and_errors_are_still_told(monkeypatch: pytest.MonkeyPatch):
    said = io.StringIO()
    shows = handler(said, monkeypatch)
    assert os.environ[TOLD.variable]
    for broken in (record(None, LogEvent.JOB_INFO, jobid=1), record("Nothing to be done.")):
        shows.emit(broken)
    shows.emit(record("no such file", level=logging.ERROR))
    shows.close()
    assert TOLD.variable not in os.environ
    assert said.getvalue().splitlines() == ["progress is not shown any more (KeyError: 'log')", "no such file"]


def test_a_terminal_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch):
    gone = io.StringIO()
    shows = handler(gone, monkeypatch)
    gone.close()
    shows.emit(record("Nothing to be done."))
    shows.emit(record("no such file", level=logging.ERROR))
    shows.close()
