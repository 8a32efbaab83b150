"""Dry runs of the workflow, two at a time: Snakemake is imported once, and every run is a fork of that process."""

import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from support.forks import CONTEXT

ASIDE = ("total", "figures/all", "manifest", "index_page", "shards")
Plan = dict[str, int]  # jobs by rule


def plans(folder: Path, commands: Mapping[str, Sequence[str]]) -> dict[str, Plan]:
    """What each command of `Project.command` would execute in `folder`, by the commands' names."""
    words = {name: command[command.index("snakemake") + 1 :] for name, command in commands.items()}
    with ProcessPoolExecutor(2, mp_context=CONTEXT, max_tasks_per_child=1) as pool:
        said = pool.map(_dry_run, [folder] * len(words), words.values())
    return {name: jobs_in(text) for name, text in zip(words, said, strict=True)}


def jobs_in(text: str) -> Plan:
    """The statistics of jobs that a dry run prints, but for those that follow every other one or only collect."""
    found = {rule: int(count) for rule, count in re.findall(r"^([a-z_/]+) +(\d+)$", text, flags=re.M)}
    return {rule: count for rule, count in found.items() if rule not in ASIDE}


def jobs_done(text: str) -> Plan:
    """The jobs that a run says it has done, but for those that only collect."""
    found = Counter(re.findall(r"^\[ *\d+ of \d+\] ([a-z_/]+)", text, flags=re.M))
    return {rule: count for rule, count in found.items() if rule not in ASIDE}


def _dry_run(folder: Path, words: Sequence[str]) -> str:
    """Everything that Snakemake prints; this process does nothing else."""
    from snakemake.cli import main

    os.chdir(folder)
    if (folder / "src").is_dir():  # a project with sources of its own
        sys.path.insert(0, str(folder / "src"))
    with tempfile.TemporaryFile() as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        try:
            main([*words, "--dry-run"])
            code: object = 0
        except SystemExit as end:
            code = end.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        file.seek(0)
        text = file.read().decode()
    if code:
        raise AssertionError(f"{' '.join(words)}: {code}\n{text[-3000:]}")
    return text
