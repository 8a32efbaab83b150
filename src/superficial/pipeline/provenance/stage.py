"""The manifest stage: results/manifest.json names the chain behind every figure and table."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from superficial.artifacts.files import digest, whole_file, write_sidecar
from superficial.config.schema import Nothing, RuntimeConfig
from superficial.pipeline.provenance.sidecars import Artifact, chain, read_sidecars

MODEL_FACTS = ("title", "licence", "source", "dtype", "parameters", "weights_sha256")


def run(cfg: Nothing, runtime: RuntimeConfig, *, made: Path | list[Path], out: Path) -> None:
    """Write `out` from the sidecars beside it; `made` holds one file of every figure and table."""
    started = time.monotonic()
    manifest = build_manifest([made] if isinstance(made, Path) else made, out.parent)
    with whole_file(out) as partial:
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        partial.write_text(text + "\n", encoding="utf-8")
    facts = {"artifacts": len(manifest["artifacts"])}
    write_sidecar(out, stage="manifest", config={}, inputs={}, started=started, facts=facts)


def build_manifest(made: Iterable[Path], results: Path) -> dict[str, Any]:
    """Figures and tables with their chains, and each artifact, model and version of the code in them once.

    It holds what two equal runs have in common: no times, no hosts. Hashes are those of the sidecars, so that nothing
    is read again; `verify` compares them with the files.
    """
    known = read_sidecars(results)
    found: dict[str, Artifact] = {}
    shown = {}
    for file in map(str, made):
        links = chain(file, known, results)
        found |= {link.name: link for link in links}
        shown[known[file].meta["stage"]] = _entry(links, results)
    artifacts = list(found.values())
    return {
        "results": shown,
        "artifacts": {one.name: _artifact(one) for one in artifacts},
        "models": {name: facts for one in artifacts for name, facts in _models(one).items()},
        "sources": {one.sources: one.meta["code"] for one in artifacts},
        "environments": {digest(_environment(one)): _environment(one) for one in artifacts},
    }


def _entry(links: list[Artifact], results: Path) -> dict[str, Any]:
    """A figure or table: its files, and by name what is behind it; what comes first stands first."""
    commits = {json.dumps(link.meta["git"], sort_keys=True): link.meta["git"] for link in links}
    outside = {path for link in links for path in link.inputs if not Path(path).is_relative_to(results)}
    return {
        "files": sorted(links[-1].outputs),
        "chain": [link.name for link in links],
        "models": sorted(name for link in links for name in _models(link)),
        "inputs": sorted(outside),
        "commits": [commits[key] for key in sorted(commits)],
    }


def _artifact(one: Artifact) -> dict[str, Any]:
    return {
        "stage": one.meta["stage"],
        "config": one.meta["config"],
        "files": one.outputs if one.meta.get("kept", True) else {},  # states that were deleted once compared
        "inputs": one.inputs,
        "git": one.meta["git"],
        "sources": one.sources,
        "environment": digest(_environment(one)),
    }


def _environment(one: Artifact) -> dict[str, Any]:
    return {"python": one.meta["python"], "packages": one.meta["packages"]}


def _models(one: Artifact) -> dict[str, dict[str, Any]]:
    """The model that an artifact is, or that a server answered with: licence, source and revision by name."""
    manifest, config = one.model, one.meta["config"]
    if manifest:
        facts = {key: manifest[key] for key in MODEL_FACTS if key in manifest}
        return {manifest["name"]: facts | {"artifact": one.name}}
    served = [config.get("server"), config.get("judge")]
    return {
        entry["model"]: {"served": {key: entry.get(key) for key in ("model", "revision")}}
        for entry in served
        if isinstance(entry, dict) and entry.get("model") and entry.get("kind", "openai") == "openai"
    }
