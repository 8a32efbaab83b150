"""The pair stage: can these two models be compared token by token?"""

import json
import time
from pathlib import Path

from superficial.artifacts.collector import collector_paused
from superficial.artifacts.files import whole_file, write_sidecar
from superficial.config.schema import Nothing, RuntimeConfig
from superficial.shift.pair.match import match_vocabularies
from superficial.shift.pair.vocabulary import Vocabulary


def run(cfg: Nothing, runtime: RuntimeConfig, *, base: Path, aligned: Path, out: Path) -> None:
    """Write the report (`shift/pair/report.py`), or stop and say why the ids of one model mean nothing to the other."""
    started = time.monotonic()
    with collector_paused():
        report = match_vocabularies(Vocabulary.read(base), Vocabulary.read(aligned))
    with whole_file(out) as partial:
        text = json.dumps(report.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
        partial.write_text(text + "\n", encoding="utf-8")
    write_sidecar(out, stage="pair", config={}, inputs={"base": base, "aligned": aligned}, started=started, facts={})
