"""How a rule calls its stage: the shell command of a job."""

import sys
from collections.abc import Mapping

START = f"{sys.executable} -m superficial"


def stage(name: str = "{rule}", *, cards: bool = False) -> str:
    """The command of a stage, to which a rule adds the stage's files as NAME=FILES; Snakemake fills in the braces.

    A stage has the name of its rule, if no other `name` is given. `cards` hands on how many cards the job has.

    >>> stage("judge", cards=True).partition(" --log ")[2]
    '{log:q} --threads {threads} --cards {resources.gpu}'
    """
    start = START.replace("{", "{{").replace("}", "}}")  # braces of a path are not Snakemake's
    call = f"{start} {name} --cfg {{params.cfg:q}} --runtime {{RUNTIME:q}} --log {{log:q}} --threads {{threads}}"
    return call + (" --cards {resources.gpu}" if cards else "")


def stage_arguments(wildcards: object, input: Mapping[str, str | list[str]]) -> str:
    """NAME=FILES for a stage, from the named inputs of its rule; who has `reads` finds those files below `results`."""
    words = ["results=results"] if "reads" in input.keys() else []  # noqa: SIM118 (no dictionary, but Snakemake's own)
    for name, files in input.items():
        if name != "code":
            words.append(f"{name}={files if isinstance(files, str) else ' '.join(files)}")
    return " ".join(words)
