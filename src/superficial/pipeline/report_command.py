"""The command `report`: everything that was made on one page, with captions and runtimes: results/report.html."""

import subprocess
import sys
from collections.abc import Sequence

PAGE = ["--report", "results/report.html", "--report-stylesheet", "workflow/report.css"]


def main(words: Sequence[str]) -> int:
    """Make what is missing, then write the page; `words` are those of snakemake. The exit code is snakemake's."""
    for options in ([], PAGE):
        command = [sys.executable, "-m", "snakemake", "--cores", "all", *options, "report", *words]
        if code := subprocess.run(command).returncode:
            return code
    return 0
