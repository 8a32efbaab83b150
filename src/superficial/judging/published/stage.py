"""The published stage: what others published, in the formats of this project."""

import time
from pathlib import Path

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import PublishedStage, RuntimeConfig
from superficial.judging.published.file_names import published_files
from superficial.judging.published.read import NOT_JUDGED, read_published


def run(cfg: PublishedStage, runtime: RuntimeConfig, *, data: Path, out: list[Path]) -> None:
    """Write `judgments.parquet` and `responses.parquet`, with columns system (and judge) before the usual ones."""
    started = time.monotonic()
    if cfg.folder is None:
        raise UserError("it is not set", where="config, key published_dir", remedy="published_dir=FOLDER")
    folder = Path(cfg.folder)
    found = read_published(folder, read_table(data), partly=cfg.partly)
    for path in out:
        write_table(getattr(found, path.stem), path)
    inputs = {str(path.relative_to(folder)): path for path in published_files(folder)} | {"data": data}
    facts = {
        "responses": len(found.responses),
        "judgments": int((found.judgments["unscored"] != NOT_JUDGED).sum()),
        "unscored": {str(why): int(count) for why, count in found.judgments["unscored"].value_counts().items() if why},
    }
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="published", config=config, inputs=inputs, started=started, facts=facts)
