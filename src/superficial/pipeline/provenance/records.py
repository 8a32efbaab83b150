"""Snakemake's records of results that came without them: `results/` copied from elsewhere, without `.snakemake/`.

Snakemake compares values, inputs and checksums with a record that it wrote when the job ended (version 9.27). Without
one it looks at times alone, and figures of another configuration would stand as they are. The sidecars know the same,
so the records are written again from them, before Snakemake looks.
"""

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from superficial.artifacts.files import PACKAGE, SIDECAR, canonical
from superficial.pipeline.provenance.sidecars import inputs_of

FORMAT = 6  # of a record
GUESSED = "inputs_guessed"  # our own key: under another configuration, the inputs may be known after all
SLICE, DERIVED = "cfg", "files"  # what rules may have as params; the second one follows from the inputs


def recall(rules: Iterable[Any], results: Path, state: Path) -> int:
    """Write the records that `state` (.snakemake) lacks of what lies in `results`; returns how many.

    `rules` are those of the workflow. A record whose inputs had to be guessed is written again once they are known.
    """
    known, written = list(rules), 0
    for sidecar in _sidecars(results):
        made = Path(str(sidecar).removesuffix(SIDECAR))
        if made.is_file() and _known(_record(state, str(made))):
            continue
        with suppress(
            ValueError, KeyError, TypeError, AttributeError, OSError
        ):  # no sidecar of ours, or nobody may write here
            meta = json.loads(sidecar.read_text(encoding="utf-8"))
            for output in meta["outputs"]:
                written += _recall(output, meta, known, state)
    return written


def _sidecars(results: Path) -> Iterator[Path]:
    """Below `results`, without its stores of finished work, which begin with a dot."""
    for folder, folders, files in os.walk(results):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in files if name.endswith(SIDECAR))


def _recall(output: str, meta: Mapping[str, Any], rules: list[Any], state: Path) -> bool:
    record = _record(state, output)
    rule = next((one for one in rules if one.is_producer(output)), None)
    if rule is None or _known(record):
        return False
    record.parent.mkdir(parents=True, exist_ok=True)
    (state / "incomplete").mkdir(exist_ok=True)  # without it Snakemake takes records for those of an old version
    recalled = _recalled(output, meta, rule)
    whole = record.with_name(f".{os.getpid()}.json")
    whole.write_text(json.dumps(recalled), encoding="utf-8")
    try:
        if not (recalled[GUESSED] and record.is_file()):  # another run, which starts now, may have known the inputs
            whole.replace(record)
    finally:
        whole.unlink(missing_ok=True)
    return True


def _known(record: Path) -> bool:
    """Whether there is a record that Snakemake wrote, or one of ours whose inputs are those of the rule."""
    try:
        return not json.loads(record.read_text(encoding="utf-8")).get(GUESSED)
    except FileNotFoundError:
        return False
    except ValueError:  # Snakemake is writing it
        return True


def _recalled(output: str, meta: Mapping[str, Any], rule: Any) -> dict[str, Any]:
    read = inputs_of(meta)
    read |= {str(PACKAGE.parent / path): sha256 for path, sha256 in meta["code"].items()}
    asked = sorted(str(file) for file in rule.expand_input(rule.get_wildcards(output))[0])
    # A sidecar may name more than the rule does, and markers of shards hold nothing: what counts is what nobody read.
    news = [file for file in asked if file not in read and "/.shards/" not in file and not _is_code(file)]
    ended = datetime.fromisoformat(meta["finished"]).timestamp()
    return {
        "rule": rule.name,
        "input": sorted(read) if news else asked,
        GUESSED: bool(news),
        "params": _params(rule, meta["config"]),
        "record_format_version": FORMAT,
        "starttime": ended - meta["wall_seconds"],
        "endtime": ended,
        "incomplete": False,
        "log": [],
        "input_checksums": {file: f"sha256:{sha256}" for file, sha256 in read.items()},
    }


def _params(rule: Any, config: Any) -> list[str] | None:
    """The slice as `Run.slice` writes it and Snakemake records it; null where there is more than a slice."""
    names = dict(rule.params.items()).keys()
    if not names <= {SLICE, DERIVED}:
        return None
    return [repr(canonical(config).replace("</", "<\\/"))] if SLICE in names else []


def _is_code(file: str) -> bool:
    return Path(file).is_relative_to(PACKAGE)


def _record(state: Path, output: str) -> Path:
    """Where Snakemake keeps the record of a file: long names are cut into folders."""
    name, most = urlsafe_b64encode(output.encode()).decode(), 255 - 1
    parts = [name[start : start + most] for start in range(0, len(name), most)]
    return state.joinpath("metadata", *(f"@{part}" for part in parts[:-1]), parts[-1])
