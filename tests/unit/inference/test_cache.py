"""The memory of a batch against plain lists: whatever rows do, each sees its own columns and no others."""

import random
from typing import Any

import pytest
import torch

from superficial.inference.generate import cache
from superficial.inference.generate.cache import BatchCacheLayer

HEADS, DIM = 2, 3


class Rows:
    """A layer, and beside it what each row has written."""

    def __init__(self, window: int | None, counter: list[int]) -> None:
        self.layer, self.window, self.counter = BatchCacheLayer(window), window, counter
        self.written: list[list[int]] = []

    def append(self, rows: int, columns: int) -> None:
        """Every row writes, and sees what it wrote before, as far as the window reaches."""
        first = self.counter[0]
        self.counter[0] += rows * columns
        numbers = torch.arange(first, self.counter[0]).float().view(rows, 1, columns, 1).expand(-1, HEADS, -1, DIM)
        self.written = self.written or [[] for _ in range(rows)]
        size, start = self.layer.get_mask_sizes(columns)
        keys, values = self.layer.update(numbers, -numbers)
        assert keys.shape == values.shape == (rows, HEADS, size, DIM)
        assert start + size == self.layer.get_seq_length()
        assert torch.isfinite(keys).all()
        for row, new in enumerate(numbers[:, 0, :, 0].long().tolist()):
            self.written[row] += new
            reach = len(self.written[row]) if self.window is None else self.window - 1 + columns
            seen = self.written[row][-reach:]
            assert keys[row, 0, -len(seen) :, 0].tolist() == seen
            assert values[row, 1, -len(seen) :, 2].tolist() == [-one for one in seen]

    def reorder(self, parents: list[int]) -> None:
        self.layer.reorder_cache(torch.tensor(parents))
        self.written = [list(self.written[parent]) for parent in parents]

    def join(self, other: "Rows") -> None:
        width = max(max(map(len, one.written)) for one in (self, other))
        for one in (self, other):
            one.layer.shift(width - one.layer.get_seq_length())
        self.layer.join(other.layer)
        self.written += other.written


@pytest.mark.parametrize("window", [None, 1, 4, 9])
@pytest.mark.parametrize("seed", range(12))
def test_rows_come_and_go(window: int | None, seed: int, monkeypatch: pytest.MonkeyPatch):
    """Rows end, split, swap places, and others join that are shorter or longer; memory grows now and then."""
    draw = random.Random(seed)
    monkeypatch.setattr(cache, "SPARE", draw.choice([0, 1, 5]))
    counter = [1]
    rows = Rows(window, counter)
    rows.append(4, draw.randint(1, 9))
    for _ in range(40):
        count = len(rows.written)
        kind = draw.choice(["append", "append", "append", "some", "any", "join"])
        if kind == "append":
            rows.append(count, draw.choice([1, 1, 1, 4]))
        elif kind == "some":
            rows.reorder(sorted(draw.sample(range(count), draw.randint(1, count))))
        elif kind == "any":
            rows.reorder([draw.randrange(count) for _ in range(draw.randint(1, 6))])
        elif count < 8:
            others = Rows(window, counter)
            new = draw.randint(1, 3)
            for _ in range(draw.randint(1, 3)):
                others.append(new, draw.choice([1, 2, 12]))
            rows.join(others)
    rows.append(len(rows.written), 1)


def test_rows_that_stay_are_not_copied():
    """Only the last row moves, into the place of the one that ended; a place that got free is taken again."""
    rows = Rows(None, [1])
    rows.append(4, 5)
    memory = rows.layer.keys
    before = memory[[0, 2]].clone()
    rows.reorder([0, 3, 2])
    others = Rows(None, [1000])
    others.append(1, 3)
    rows.join(others)
    rows.append(4, 1)
    assert rows.layer.keys is memory
    assert torch.equal(memory[[0, 2], :, :5], before[:, :, :5])


def test_memory_is_never_arbitrary(monkeypatch: pytest.MonkeyPatch):
    """A masked column counts with weight 0, and 0 times NaN is not 0."""
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda own, *size: own.new_full(size, torch.nan))
    monkeypatch.setattr(cache, "SPARE", 2)
    rows, others = Rows(None, [1]), Rows(None, [1000])
    rows.append(2, 3)
    others.append(2, 20)
    rows.join(others)
    for _ in range(4):
        rows.append(4, 1)
    assert torch.isfinite(rows.layer.keys).all()


def test_a_batch_starts_with_the_end_of_a_prefix():
    prefix: Any = torch.arange(1.0, 7.0).view(1, 1, 6, 1).expand(-1, HEADS, -1, DIM)
    for window in (None, 3):
        layer = BatchCacheLayer(window)
        layer.start(prefix, -prefix, [6, 2, 0], 1)
        keys, _ = layer.update(torch.full((3, HEADS, 1, DIM), 9.0), torch.zeros(3, HEADS, 1, DIM))
        expected = torch.tensor([[1, 2, 3, 4, 5, 6, 9], [0, 0, 0, 0, 1, 2, 9], [0, 0, 0, 0, 0, 0, 9]]).float()
        assert torch.equal(keys[:, 0, :, 0], expected[:, -keys.shape[2] :])
        assert keys.shape[2] == (7 if window is None else window)
