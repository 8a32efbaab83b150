"""The data stage: instructions, checked and in one format."""

import time
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.job_log import say
from superficial.artifacts.table import write_table
from superficial.config.schema import DatasetConfig, RuntimeConfig
from superficial.data.fields import FieldUse
from superficial.data.hub import check_content, fetch_dataset
from superficial.data.readers import read_instructions


def run(cfg: DatasetConfig, runtime: RuntimeConfig, *, source: Path | list[Path], out: Path) -> None:
    """Check `source`, or without one the file on the hub, and write the first `cfg.limit` instructions to `out`.

    What became of fields that are no keys of ours is said once, in a line on stderr, and in the sidecar.
    """
    started = time.monotonic()
    fields = FieldUse()
    if isinstance(source, Path):
        path = source
        records = read_instructions(path, fields)
    else:
        assert cfg.hub is not None
        path = fetch_dataset(cfg.hub)
        records = read_instructions(path, fields)
        check_content(records, cfg.hub)
    if said := str(fields):
        say(f"note: {path}: {said}")
    records = records[: cfg.limit]
    write_table(pd.DataFrame([record.model_dump() for record in records]), out)
    config = cfg.model_dump(mode="json")
    facts = {
        "instructions": len(records), "fields_joined": list(fields.joined), "fields_not_used": list(fields.unused),
    }  # fmt: skip
    write_sidecar(out, stage="data", config=config, inputs={"source": path}, started=started, facts=facts)
