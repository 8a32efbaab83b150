"""`python -m superficial verify [RESULTS]`: what in a results folder no longer agrees with its manifest."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from superficial.artifacts.progress import progress
from superficial.pipeline.provenance.verify import RESULTS, Mismatches, read_results, verify


def main(arguments: Sequence[str]) -> int:
    """Print one line for each finding; returns 0 when everything agrees, else 1."""
    parser = argparse.ArgumentParser(prog="python -m superficial verify", description="Compare results with manifest.")
    parser.add_argument("results", nargs="?", type=Path, default=RESULTS, help="folder with manifest.json")
    results = parser.parse_args(arguments).results
    manifest = read_results(results)
    total = len({path for one in manifest["artifacts"].values() for path in (*one["files"], *one["inputs"])})
    with progress("hashed", total, "files") as bar:
        found = verify(results, lambda _: bar.update())
    for line in found.lines():
        print(line)
    print(_summary(found, len(manifest["results"])))
    return 1 if found.lines() else 0


def _summary(found: Mismatches, shown: int) -> str:
    counts = {"missing": found.missing, "altered": found.altered, "stale": found.stale}
    if not found.lines():
        return f"{found.compared} files behind {shown} figures and tables are as the manifest says"
    return f"{found.compared} files: " + ", ".join(f"{len(lines)} {kind}" for kind, lines in counts.items())
