"""Ten minutes of random inputs: `python -m tests.fuzz` (`--minutes 1` for less), each pass with a seed of its own.

It runs the property tests (tests/unit/*/test_any_*.py) with a thousand examples each, until the time is over or one
fails. A failure prints the smallest input that shows it, and the seed; put that input into the test as an @example.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def main() -> int:
    """The exit code is that of the first pass which fails, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Random inputs for the property tests.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    given = parser.parse_args()
    end, seed = time.monotonic() + 60 * given.minutes, given.seed
    files = sorted(map(str, TESTS.glob("unit/*/test_any_*.py")))
    while time.monotonic() < end:
        print(f"seed {seed}", flush=True)
        options = ["--hypothesis-profile=long", f"--hypothesis-seed={seed}", "-q", "-p", "no:cacheprovider"]
        if code := subprocess.run([sys.executable, "-m", "pytest", *options, *files], cwd=TESTS.parent).returncode:
            return code
        seed += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
