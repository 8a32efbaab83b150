"""Responses as a file of just-eval's own output format, so that its tools can judge them."""

import json
import time
from pathlib import Path

from superficial.artifacts.files import whole_file, write_sidecar
from superficial.artifacts.table import read_table
from superficial.config.schema import ExportStage, RuntimeConfig


def run(cfg: ExportStage, runtime: RuntimeConfig, *, data: Path, responses: Path, out: Path) -> None:
    """Write a JSON list of id, instruction, source_id, dataset, category, output, generator and datasplit."""
    started = time.monotonic()
    texts = read_table(responses).set_index("id")["text"]
    rows = [
        {
            # Their ids are numbers, and so are they here where the dataset's are.
            "id": int(row["id"]) if row["id"].isdecimal() and str(int(row["id"])) == row["id"] else row["id"],
            "instruction": row["instruction"],
            "source_id": row["id"],
            "dataset": row["subset"],
            "category": row["category"],
            "output": texts[row["id"]],
            "generator": cfg.generator,
            "datasplit": cfg.dataset,
        }
        for row in read_table(data).to_dict("records")
    ]
    with whole_file(out) as partial:
        partial.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    inputs = {"data": data, "responses": responses}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="export", config=config, inputs=inputs, started=started, facts={"responses": len(rows)})
