"""The command `report`: everything that was made on one page, with captions and runtimes: results/report.html."""

import subprocess
import sys
from collections.abc import Sequence

# What is missing, the page, and the index of results, which names the page once it is there.
STEPS = (
    ["report"],
    ["--report", "results/report.html", "--report-stylesheet", "workflow/report.css", "report"],
    ["index_page"],
)


def main(words: Sequence[str]) -> int:
    """Make what is missing, then write the page; `words` are those of snakemake. The exit code is snakemake's."""
    for step in STEPS:
        command = [sys.executable, "-m", "snakemake", "--cores", "all", *step, *words]
        if code := subprocess.run(command).returncode:
            return code
    return 0
