"""Out of memory on a card, a comparison goes on with half of the positions; mocks say when there is no room."""

import weakref
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from support.cards import no_room

from superficial.artifacts.errors import UserError
from superficial.models.head import LMHead
from superficial.shift.compare import compare
from superficial.shift.distributions import Contrast, HeadAndStates, Workspace, Workspaces

POSITIONS, VOCABULARY, WIDTH, CHUNK = 40, 90, 8, 16


def compared() -> pd.DataFrame:
    draw = torch.Generator().manual_seed(3)
    sides = [
        HeadAndStates(
            LMHead(torch.randn(VOCABULARY, WIDTH, generator=draw), None, 1.0, None),
            torch.randn(POSITIONS, WIDTH, generator=draw),
        )
        for _ in range(2)
    ]
    return compare(sides[0], sides[1], torch.arange(POSITIONS), 5, CHUNK)


@pytest.mark.parametrize(("most", "sizes"), [(16, []), (5, [16, 8]), (1, [16, 8, 4, 2])])
def test_a_comparison_goes_on_in_smaller_chunks(most: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch):
    """What was too large once is not tried again."""
    expected = compared()
    refused = no_room(monkeypatch, "superficial.shift.compare.contrast", lambda base, *_: len(base.states), most)
    found = compared()
    for column in expected:
        one, other = (np.stack(table[column].to_numpy()) for table in (found, expected))
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one, other, atol=1e-5, err_msg=column)
        else:
            assert (one == other).all(), column
    assert refused == sizes


def test_a_position_that_does_not_fit_ends_in_one_line(monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any) -> Contrast:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("superficial.shift.compare.contrast", full)
    with pytest.raises(UserError, match="the comparison runs out of memory with one position at a time"):
        compared()


def test_the_space_of_a_chunk_that_was_too_large_is_free(monkeypatch: pytest.MonkeyPatch):
    """At no time are there two workspaces."""
    alive: list[Any] = []

    class Counted(Workspace):
        def __init__(self, *given: Any) -> None:
            assert not [one for one in alive if one() is not None]
            super().__init__(*given)
            alive.append(weakref.ref(self))

    monkeypatch.setattr("superficial.shift.distributions.Workspace", Counted)
    spaces = Workspaces(40, torch.device("cpu"))
    for positions in (8, 8, 4, 2, 2):
        assert spaces.of(positions).views(positions)[0].shape == (64, positions)
    assert len(alive) == 3
