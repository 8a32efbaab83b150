"""Opens the judge that a configuration names."""

from pathlib import Path

from superficial.judge.item import Judge, require_askable
from superficial.judge.probable import ProbableJudge
from superficial.judge.served import ServedJudge
from superficial.schema import RuntimeConfig
from superficial.schema.judge import JudgeConfig, LocalJudge
from superficial.server.ledger import open_ledger


def open_judge(judge: JudgeConfig, model: Path | list[Path], runtime: RuntimeConfig, results: Path) -> Judge:
    """The judge, ready to be asked. `model` is the manifest of a local one; answers are kept below `results`."""
    asked = require_askable(judge)
    if isinstance(asked, LocalJudge):
        assert isinstance(model, Path)
        return ProbableJudge(asked, model, runtime, results)
    return ServedJudge(asked, open_ledger(asked, results))
