"""Work beside other work: in order, all at once, and torch's threads are what they were."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import torch

from superficial.inference.threads import MOST, TorchThreads

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 6])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Torch has this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_everybody_works_at_once_with_a_share_of_the_threads(threads: int):
    count = min(threads, MOST)
    together = threading.Barrier(count, timeout=20)  # broken unless so many wait for each other

    def work(item: int) -> tuple[int, int, bool]:
        together.wait()
        return item, torch.get_num_threads(), torch.is_inference_mode_enabled()

    found = list(TorchThreads(CPU).map(work, range(4 * count)))
    assert [item for item, _, _ in found] == list(range(4 * count))
    assert {(own, quiet) for _, own, quiet in found} == {(threads // count, True)}
    assert torch.get_num_threads() == threads


def test_an_error_comes_out_and_the_threads_come_back(threads: int):
    done = []

    def work(item: int) -> None:
        if item == 2:
            raise ValueError("item 2")
        time.sleep(0.001)
        done.append(item)

    with pytest.raises(ValueError, match="item 2"):
        list(TorchThreads(CPU).map(work, range(1000)))
    assert {0, 1} <= set(done)
    assert len(done) < 900  # what waits behind an error is not begun
    assert torch.get_num_threads() == threads


def test_a_card_is_used_by_one():
    assert list(TorchThreads(torch.device("cuda")).map(lambda _: threading.current_thread(), range(3))) == 3 * [
        threading.main_thread()
    ]


BOUND = """
import os, sys
from types import SimpleNamespace

from pydantic import BaseModel

from superficial import __main__ as program

class Nothing(BaseModel):
    pass

def run(cfg, runtime):
    import torch

    from superficial.inference.threads import TorchThreads

    torch.set_num_threads(2)
    torch.ones(999, 999) @ torch.ones(999, 999)  # OpenMP binds threads when there is work for them
    print(*TorchThreads(torch.device("cpu")).map(lambda _: len(os.sched_getaffinity(0)), range(2)))

program.STAGES["model"] = SimpleNamespace(module="superficial.models.stage", config=Nothing, run=run)
settings = '{"device": "cpu", "generate_batch": 1, "score_tokens": 1, "position_chunk": 1}'
sys.exit(program.main(["model", "--cfg", "{}", "--runtime", settings]))
"""


def test_openmp_does_not_bind_all_of_them_to_one_core():
    """As many clusters ask it to."""
    environment = os.environ | {"OMP_PROC_BIND": "true", "OMP_PLACES": "cores"}
    run = subprocess.run([sys.executable, "-c", BOUND], text=True, capture_output=True, env=environment)
    cores = str(len(os.sched_getaffinity(0)))
    assert run.stdout.split() == [cores, cores], run.stderr
