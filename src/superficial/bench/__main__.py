"""`python -m superficial.bench`: every bench in turn; `python -m superficial.bench statistics` runs one."""

import argparse
import importlib
import sys
from collections.abc import Sequence

BENCHES = ("scoring", "generation", "refilling", "screening", "statistics", "memory")
ASKED_FOR = ("identity",)  # starts servers, so that it runs when it is named


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benches, by default all of them; returns the highest exit code."""
    parser = argparse.ArgumentParser(prog="python -m superficial.bench", description="Measure speed.")
    every = BENCHES + ASKED_FOR
    default = f"default: the first {len(BENCHES)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(every)}; {default}")
    names = parser.parse_args(arguments).names or BENCHES
    unknown = [name for name in names if name not in every]
    if unknown:
        parser.error(f"no bench named {unknown[0]}: choose from {', '.join(every)}")
    # Imported when its turn comes: the statistics need no torch.
    codes: list[int] = [importlib.import_module(f"superficial.bench.{name}").main() for name in names]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
