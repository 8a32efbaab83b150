"""The answers of 20 pairs by 10 methods in 50 shards are planned on a laptop: more than 10,000 jobs."""

import re
import resource
import time
from pathlib import Path

import yaml
from support.project import Project

PAIRS, SHARDS = 20, 50
METHODS = [
    "zero_shot",
    "vanilla_icl",
    "retrieval_icl",
    "system_only",
    "urial_k1",
    "urial_k3",
    "urial_k3_alt",
    "urial_k8",
]


def test_twenty_pairs_ten_methods_and_fifty_shards_are_planned(project: Project, tiny_models: Path):
    """Time and memory are printed (`pytest -s`), the jobs are counted."""
    methods = [*METHODS, "one_more", "and_another"]
    for name in methods[len(METHODS) :]:
        text = (project.folder / "config/method/urial_k3.yaml").read_text()
        project.add(f"method/{name}", yaml.safe_load(text) | {"name": name})
    for number in range(PAIRS):
        for side in ("base", "aligned"):
            project.add_model(f"{side}_{number}", {"kind": "local", "path": str(tiny_models / side)})
        project.add_pair(f"pair_{number}", f"base_{number}", f"aligned_{number}")
    pairs = ",".join(f"pair_{number}" for number in range(PAIRS))
    hydra = (f"pairs=[{pairs}]", f"methods=[{','.join(methods)}]", f"runtime.shards={SHARDS}")
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    result = project.run("tables/responses", hydra=hydra, arguments=("--dry-run",))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0, result.stdout[-4000:]
    counts = {name: int(count) for name, count in re.findall(r"^([a-z_/]+) +(\d+)$", result.stdout, flags=re.M)}
    systems = PAIRS * (len(methods) + 1)  # every base by every method, and the aligned model
    assert (counts["generate"], counts["generate_shard"]) == (systems, systems * SHARDS)
    assert counts["total"] > 10_000
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"\n{counts['total']} jobs: {time.monotonic() - started:.0f} s, {seconds:.0f} s of CPU,"
        f" {after.ru_maxrss / 2**20:.2f} GB at most"
    )
