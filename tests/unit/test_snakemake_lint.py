"""What `snakemake --lint` says: each complaint that stands has its reason here."""

import os
import re
import subprocess
import sys
from collections import Counter

from support.project import ROOT

WANTED = {  # how a complaint begins -> why it stands
    "Specify a conda environment": "one environment serves all stages: pyproject.toml and constraints.txt",
    "Shell command directly uses variable RUNTIME": "speed and memory: a global is not tracked, so that nothing reruns",
    "Shell command directly uses variable PROMPT_DIR": "where the paper's prompts come from decides nothing: no rerun",
    "Shell command directly uses variable rule": "Snakemake's own name of the rule",
    "Do not access input and output files individually": "a figure is given its PDF and writes the other forms beside it",
}


def test_the_linter_complains_about_nothing_without_a_reason():
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    said = Counter(re.findall(r"^    \* (.+)$", result.stdout, re.MULTILINE))
    assert said, result.stdout[-2000:]
    unknown = [line for line in said if not line.startswith(tuple(WANTED))]
    assert unknown == []
    assert [begins for begins in WANTED if not any(line.startswith(begins) for line in said)] == []
