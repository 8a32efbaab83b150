"""Opens the judge that a configuration names."""

import importlib
from pathlib import Path

from superficial.config.schema import Runtime
from superficial.config.schema.judge import AskedJudge, AskedLocal, AskedModule
from superficial.inference.server.ledger import open_ledger
from superficial.judging.judges.item import Judge, require_askable
from superficial.judging.judges.served import ServedJudge


def open_judge(judge: AskedJudge, model: Path | list[Path], runtime: Runtime, results: Path) -> Judge:
    """The judge, ready to be asked. `model` is the manifest of a local one; answers are kept below `results`."""
    asked = require_askable(judge)
    if isinstance(asked, AskedLocal):
        # Here, because a served judge needs none of the numerical libraries, which take seconds to import.
        from superficial.judging.judges.probabilities import ProbabilityJudge

        assert isinstance(model, Path)
        return ProbabilityJudge(asked, model, runtime, results)
    if isinstance(asked, AskedModule):
        own: Judge = importlib.import_module(f"superficial.judging.kinds.{asked.module}").open_judge(asked.options)
        return own
    server = runtime.judges[asked.name]
    return ServedJudge(asked, server, open_ledger(server, results))
