"""What Snakemake would do: the jobs of a dry run, read from what it prints (version 9.27).

Only the workflow knows which job makes which file. So it is asked, in a process of its own.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from superficial.artifacts.errors import UserError

OPTIONS = ("--dry-run", "--printshellcmds", "--quiet", "host")
COLLECTS = "shards"
BLOCK = re.compile(r" *(?:local)?(?:rule|checkpoint) (?P<rule>\S+):")  # further in for a job of a group


@dataclass
class PlannedJob:
    """One job of a dry run."""

    rule: str
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    wildcards: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    command: str = ""

    @property
    def slice(self) -> Any:
        """What its stage would read of the configuration; None for a job that is no stage."""
        words = shlex.split(self.command) if "--cfg" in self.command else []
        return json.loads(words[words.index("--cfg") + 1]) if words else None

    def read(self, key: str, value: str) -> None:
        """Take in one line of its block."""
        if key in ("input", "output"):
            setattr(self, f"{key}s", value.split(", "))
        elif key == "wildcards":
            self.wildcards = dict(entry.split("=", 1) for entry in value.split(", "))
        elif key == "reason":
            self.reason = value


def planned_jobs(words: Sequence[str]) -> list[PlannedJob]:
    """The jobs that `snakemake WORDS` would run and that make a file; a UserError where the workflow refuses."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *words, *OPTIONS]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        last = (result.stdout.strip().splitlines() or ["snakemake ended without a word"])[-1]
        raise UserError(last.removeprefix("error: "))
    return read_jobs(result.stdout)


def read_jobs(text: str) -> list[PlannedJob]:
    """The jobs in the output of a dry run; what only collects (targets, the shards of a stage) is left out."""
    jobs: list[PlannedJob] = []
    inside = False
    for line in text.splitlines():
        if found := BLOCK.fullmatch(line):
            jobs.append(PlannedJob(found["rule"]))
            inside = True
        elif inside and line.startswith("    "):
            jobs[-1].read(*line.strip().partition(": ")[::2])
        elif inside and line.startswith("Shell command: "):
            jobs[-1].command = line.removeprefix("Shell command: ")
            inside = False
        elif not line:
            inside = False
    return [job for job in jobs if job.outputs and job.rule != COLLECTS]
