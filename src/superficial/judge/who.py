"""Opens the judge that a configuration names."""

from pathlib import Path

from superficial.judge.item import Judge, require_askable
from superficial.judge.served import ServedJudge
from superficial.schema import Runtime
from superficial.schema.judge import AskedJudge, AskedLocal
from superficial.server.ledger import open_ledger


def open_judge(judge: AskedJudge, model: Path | list[Path], runtime: Runtime, results: Path) -> Judge:
    """The judge, ready to be asked. `model` is the manifest of a local one; answers are kept below `results`."""
    asked = require_askable(judge)
    if isinstance(asked, AskedLocal):
        # Here, because a served judge needs none of the numerical libraries, which take seconds to import.
        from superficial.judge.probable import ProbableJudge

        assert isinstance(model, Path)
        return ProbableJudge(asked, model, runtime, results)
    server = runtime.judges[asked.name]
    return ServedJudge(asked, server, open_ledger(server, results))
