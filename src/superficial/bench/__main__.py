"""`python -m superficial.bench`: every bench in turn; `python -m superficial.bench statistics` runs one."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from superficial.artifacts.errors import UserError
from superficial.bench.table import Table

BENCHES = ("scoring", "generation", "refilling", "screening", "statistics", "memory")
OUT = Path("results/bench.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of the named benches, by default all of them, and save it; the exit code is 2 for a mistake."""
    parser = argparse.ArgumentParser(prog="python -m superficial.bench", description="Measure speed and memory.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; default: all of them")
    names = parser.parse_args(arguments).names or BENCHES
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        parser.error(f"no bench named {unknown[0]}: choose from {', '.join(BENCHES)}")
    table = Table()
    try:
        for name in names:
            # Imported when its turn comes: the statistics need no torch.
            importlib.import_module(f"superficial.bench.{name}").main(table.of(name))
            table.save(OUT)  # after each, so that one that breaks takes no other with it
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"saved as {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
