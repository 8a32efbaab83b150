"""What no longer agrees with the manifest of a results folder: altered, missing or stale, one line each."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import PACKAGE, SIDECAR, file_sha256

MANIFEST = "manifest.json"
RESULTS = Path("results")  # how the workflow names the folder, wherever it lies now
AGAIN = "run the workflow again: snakemake --cores 8 figures/all"


@dataclass
class Mismatches:
    """Lines for people, and how many files were compared."""

    altered: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    compared: int = 0

    def lines(self) -> list[str]:
        """Every finding; what has to be mended first stands first."""
        kinds = {"missing": self.missing, "altered": self.altered, "stale": self.stale}
        return [f"{kind}: {line}" for kind, lines in kinds.items() for line in lines]


def read_results(results: Path) -> dict[str, Any]:
    """The manifest of `results`.

    Raises:
        UserError: there is no manifest, or the file is not one.
    """
    path = results / MANIFEST
    if not path.is_file():
        raise UserError("no manifest", where=str(path), remedy=AGAIN)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if {"artifacts", "results", "sources"} <= set(manifest):
            return dict(manifest)
    except (ValueError, TypeError):
        pass
    raise UserError("it is no manifest of results", where=str(path), remedy=f"delete it and {AGAIN}")


def verify(results: Path, compared: Callable[[str], None] = lambda path: None) -> Mismatches:
    """Compare `results` and the code here with the manifest; every file is read. `compared` hears of each one.

    An artifact is stale when an input of it has another sha256 now, when a source file that made it has changed, or
    when it was made from a stale one.
    """
    manifest = read_results(results)
    found = Mismatches()

    @cache
    def sha256(path: str) -> str | None:
        compared(path)
        file = place(path, results)
        return file_sha256(file) if file.is_file() else None

    stale: dict[str, str] = {}  # by file, why what is made from it is stale too
    lost: set[str] = set()
    for name, artifact in _in_order(manifest):
        for path, expected in artifact["files"].items():
            found.compared += 1
            actual = sha256(path)
            if actual is None:
                found.missing.append(path)
            elif actual != expected:
                found.altered.append(f"{path}, {_change(path, actual, expected, name, results)}")
        for path in artifact["inputs"]:
            if sha256(path) is None and not Path(path).is_relative_to(RESULTS) and path not in lost:
                lost.add(path)
                found.missing.append(f"{path}, which {name} was made from")
        why = _why_stale(artifact, manifest["sources"][artifact["sources"]], sha256, stale)
        if why:
            found.stale.append(f"{name}, {why}")
            stale |= dict.fromkeys(artifact["files"], f"made from {name}, which is stale")
    return found


def place(path: str, results: Path) -> Path:
    """Where a file of the manifest lies: below `results`, beside it, or where the path says from here.

    >>> place("results/data/demo.parquet", Path("/copy/results"))
    PosixPath('/copy/results/data/demo.parquet')
    """
    if Path(path).is_relative_to(RESULTS):
        return results / Path(path).relative_to(RESULTS)
    beside = results.absolute().parent / path
    return beside if beside.is_file() else Path(path)


def _in_order(manifest: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every artifact once, after all that it was made from."""
    for name in dict.fromkeys(name for entry in manifest["results"].values() for name in entry["chain"]):
        yield name, manifest["artifacts"][name]


def _why_stale(
    artifact: Mapping[str, Any],
    sources: Mapping[str, str],
    sha256: Callable[[str], str | None],
    stale: Mapping[str, str],
) -> str:
    """Why an artifact is stale, its own reasons first; empty when it is not."""
    changed = [path for path, made_of in artifact["inputs"].items() if sha256(path) not in (made_of, None)]
    code = [path for path, made_by in sources.items() if _code_sha256(path) != made_by]
    reasons = [f"made from {path}, which has another sha256 now" for path in changed]
    reasons += [f"made by code that has changed: {', '.join(code)}"] if code else []
    reasons += list(dict.fromkeys(stale[path] for path in artifact["inputs"] if path in stale))[:1]
    return "; ".join(reasons[:2])


def _change(path: str, actual: str, expected: str, name: str, results: Path) -> str:
    """How a file differs; one that its own sidecar vouches for was made again, the others were touched by hand."""
    sidecar = place(name + SIDECAR, results)
    if sidecar.is_file():
        try:
            if json.loads(sidecar.read_text(encoding="utf-8"))["outputs"].get(path) == actual:
                return f"made again after the manifest was written: {AGAIN}"
        except (ValueError, KeyError, AttributeError):
            pass
    return f"sha256 is {actual[:12]}, the manifest says {expected[:12]}"


@cache
def _code_sha256(path: str) -> str | None:
    """sha256 of a source file of this package; None when it is gone."""
    file = PACKAGE.parent / path
    return file_sha256(file) if file.is_file() else None
