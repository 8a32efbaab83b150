"""The command `why`: what makes each job of a run run. `make why ARGS="--config 'hydra=[generate.max_new_tokens=64]'"`.

Snakemake says which jobs and on what grounds; what changed in the configuration is read from the sidecar of the
artifact that is there, which holds the slice it was made from.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from superficial.pipeline.dryrun import PlannedJob, planned_jobs

SHOWN = 4  # jobs of a rule that are named one by one
WIDTH = 60  # characters of a value
GONE = "<nothing>"


def main(words: Sequence[str]) -> None:
    """Print the causes, each with the jobs that it makes run; `words` are those of snakemake."""
    print("\n".join(explain(planned_jobs(words))))


def explain(jobs: Sequence[PlannedJob]) -> list[str]:
    """Lines: every cause with the jobs it starts. Jobs that only depend on such a job are counted, not listed."""
    found: dict[str, list[PlannedJob]] = {}
    started = 0
    for job in jobs:
        causes = list(dict.fromkeys(causes_of(job)))
        started += bool(causes)
        for cause in causes:
            found.setdefault(cause, []).append(job)
    if not jobs:
        return ["nothing to do"]
    lines = [line for cause, those in found.items() for line in (cause, f"    {_named(those)}")]
    return [*lines, f"{len(jobs)} jobs would run: {started} for these reasons, {len(jobs) - started} hang below them"]


def causes_of(job: PlannedJob) -> Iterator[str]:
    """Why the job itself would run; nothing for one that runs because another one does."""
    # The list of params comes last and is the only part that may hold a semicolon.
    grounds, params, _ = job.reason.partition("Params have changed since last execution")
    below = "Input files updated by another job" in grounds
    changed: list[str] = []
    others: list[str] = []
    for ground in filter(None, grounds.split("; ")):
        what, _, files = ground.partition(": ")
        match what:
            case "Forced execution":
                yield "asked for by --force, --forceall or --forcerun"
            case "Missing output files" if not below and not _ahead(job):
                meta = _meta(job)
                gone = "gone" if meta.get("kept", True) else "deleted once compared (runtime.keep_states=false)"
                yield f"{_few(files.split(', '))} {gone}" if meta else "not made yet"
            case "Incomplete output files":
                yield "begun by a run that was killed"
            case "Updated input files":
                changed.append(f"{_few(files.split(', '))} changed")
            case "Set of input files has changed since last execution":
                others.append(f"other inputs: {_few(_inputs(job))}")
            case "Code has changed since last execution":
                changed.append("the rule itself changed, in workflow/")
    # Snakemake looks no further than its first ground: a value may have changed beside it.
    values = list(differences(_meta(job).get("config"), job.slice))
    yield from values or others or (["the configuration changed, and no sidecar says how"] if params else [])
    yield from changed


def _ahead(job: PlannedJob) -> bool:
    """Whether it does work of another job beforehand, and leaves a temporary marker alone."""
    return all(Path(output).is_relative_to("results/.shards") for output in job.outputs)


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """What changed between two slices, a line for each key.

    >>> list(differences({"a": {"b": 1}, "c": [1, 2]}, {"a": {"b": 2}, "c": [2, 3]}))
    ['a.b: 1 → 2', 'c: − 1, + 3']
    """
    if before == now or before is None:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            step = f"{path}.{key}" if path else str(key)
            if key not in before or key not in now:
                yield f"{step}: {_shown(before.get(key, GONE))} → {_shown(now.get(key, GONE))}"
            else:
                yield from differences(before[key], now[key], step)
    elif isinstance(before, list) and isinstance(now, list):
        lost = [f"− {_shown(one)}" for one in before if one not in now]
        new = [f"+ {_shown(one)}" for one in now if one not in before]
        yield f"{path}: {', '.join([*lost, *new]) or 'another order'}"
    else:
        yield f"{path}: {_shown(before, now)} → {_shown(now, before)}"


def _shown(value: Any, other: Any = None) -> str:
    """The value, cut; of two long texts the part where they part; of what has a name, the name."""
    if isinstance(value, dict) and "name" in value:
        value = value["name"]
    text = value if value == GONE else json.dumps(value, ensure_ascii=False)
    if len(text) <= WIDTH:
        return text
    beside = "" if other is None else json.dumps(other, ensure_ascii=False)
    parting = next((at for at, (one, two) in enumerate(zip(text, beside, strict=False)) if one != two), 0)
    start = max(0, min(parting - WIDTH // 3, len(text) - WIDTH))
    return ("…" if start else "") + text[start : start + WIDTH] + ("…" if start + WIDTH < len(text) else "")


def _named(jobs: Sequence[PlannedJob]) -> str:
    """Jobs by rule, with what they are about where they are few."""
    rules: dict[str, list[str]] = {}
    for job in jobs:
        rules.setdefault(job.rule, []).append("/".join(job.wildcards.values()))
    return ", ".join(
        rule + (f" ×{len(about)}" if len(about) > SHOWN else f" ({', '.join(about)})" if any(about) else "")
        for rule, about in rules.items()
    )


def _meta(job: PlannedJob) -> dict[str, Any]:
    """What the sidecar of what is there says; nothing where there is none."""
    files = [Path(f"{output}.meta.json") for output in job.outputs]
    files += [Path(f"{Path(output).parent}.meta.json") for output in job.outputs]  # of a folder
    for file in files:
        if file.is_file():
            return dict(json.loads(file.read_text(encoding="utf-8")))
    return {}


def _inputs(job: PlannedJob) -> list[str]:
    """Inputs that came and went, by Snakemake's own record of the job."""
    record = Path(".snakemake/metadata") / base64.b64encode(job.outputs[0].encode()).decode()
    before = json.loads(record.read_text(encoding="utf-8"))["input"] if record.is_file() else []
    came, went = (
        [file for file in one if file not in other] for one, other in ((job.inputs, before), (before, job.inputs))
    )
    return [*(f"+ {file}" for file in came), *(f"− {file}" for file in went)]


def _few(files: Sequence[str]) -> str:
    """Files by name, relative to this folder where they lie in it; of many the first."""
    shown = ", ".join(file.replace(f"{Path.cwd()}/", "") for file in files[:SHOWN])
    return shown + (f" and {len(files) - SHOWN} more" if len(files) > SHOWN else "")
