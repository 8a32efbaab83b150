"""What a job of ours asks Slurm for, with the profile that is here; no Slurm is needed."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from snakemake_executor_plugin_slurm.partitions import get_best_partition, read_partition_file
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string
from support.project import ROOT

from superficial.pipeline.job_inputs import JobInputs
from superficial.pipeline.job_resources import JobResources
from superficial.pipeline.run import Run

PARAMS = dict.fromkeys(("run_uuid", "slurm_logfile", "comment_str", "account", "partition", "workdir"), "")


class Resources(dict[str, Any]):
    """As Snakemake has them: by attribute and as a mapping."""

    __getattr__ = dict.__getitem__


def submitted(*overrides: str, attempt: int = 1, **set_by_user: object) -> str:
    """The options of sbatch for `generate`, and the partition."""
    run = Run(ROOT / "config", ["pair=llama2_70b_chat", *overrides])
    asked = JobResources(run, 8, card=False).holding(JobInputs(run).answering_models)
    of, resources = SimpleNamespace(model="llama2_70b"), Resources()
    for name, value in asked.items():
        resources[name] = value(of, attempt) if "attempt" in value.__code__.co_varnames else value(of)
    job = SimpleNamespace(name="generate", threads=8, resources=Resources(resources | set_by_user))
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    partitions = read_partition_file(ROOT / profile["slurm-partition-config"])
    partition = get_best_partition(partitions, job, logging.getLogger())
    return f"{get_submit_command(job, PARAMS)}{set_gres_string(job)} -p {partition} "


def test_the_cards_of_a_job_are_on_one_machine_and_its_time_is_what_the_partition_gives():
    line = submitted(attempt=3)
    for option in ("--nodes=1 ", "--gpus=3 ", f"-t {24 * 60} ", "-p gpu "):
        assert option in line


@pytest.mark.parametrize(
    ("overrides", "set_by_user", "partition"),
    [
        (("engine=openai_server",), {}, "cpu"),  # a server answers
        ((), {"gpu": 0}, "cpu"),  # a site without cards
        ((), {"gpu": 0, "gres": "gpu:a100:3"}, "gpu"),
        ((), {"gpu_model": "a100"}, "gpu"),
    ],
)
def test_a_job_without_cards_goes_to_a_partition_without_cards(
    overrides: tuple[str, ...], set_by_user: dict[str, object], partition: str
):
    assert f"-p {partition} " in submitted(*overrides, **set_by_user)
