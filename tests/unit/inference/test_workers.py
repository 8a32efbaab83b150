"""Work beside other work: in order, all at once, and torch's threads are what they were."""

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
