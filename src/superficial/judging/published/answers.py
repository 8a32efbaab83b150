"""The published_answers stage: what one published system answered, as responses that a judge can be given."""

import time
from pathlib import Path

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import PublishedAnswers, RuntimeConfig
from superficial.judging.published.read import read_outputs


def run(cfg: PublishedAnswers, runtime: RuntimeConfig, *, data: Path, outputs: Path | list[Path], out: Path) -> None:
    """Write what a judge reads of responses: id, text, thinking where there is any; no prompts and tokens."""
    started = time.monotonic()
    files = [outputs] if isinstance(outputs, Path) else outputs
    found = read_outputs(files, read_table(data), partly=cfg.partly)
    write_table(found.drop(columns="system"), out)
    inputs = {"data": data} | {str(path): path for path in files}
    facts, config = {"responses": len(found)}, cfg.model_dump(mode="json")
    write_sidecar(out, stage="published_answers", config=config, inputs=inputs, started=started, facts=facts)
