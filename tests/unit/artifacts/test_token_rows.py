"""Rows that are kept by content: a grown comparison computes what is new, and everything stands in its place."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from superficial.artifacts.token_rows import TokenRows, tensor_digest
from superficial.models.head import LMHead
from superficial.shift.compare import compare, compare_new
from superficial.shift.distributions import HeadAndStates

LENGTHS = [3, 0, 7, 1, 4]
SIZE, WIDTH, TOP = 90, 8, 4


@pytest.fixture
def sides() -> list[HeadAndStates]:
    draw = torch.Generator().manual_seed(0)
    return [
        HeadAndStates(
            LMHead(torch.randn(SIZE, WIDTH, generator=draw), None, 1.0, None),
            torch.randn(sum(LENGTHS), WIDTH, generator=draw),
        )
        for _ in range(2)
    ]


TOKENS = torch.arange(sum(LENGTHS))


def run(sides: list[HeadAndStates], folder: Path, rows: list[int], key: object = "k") -> tuple[pd.DataFrame, int]:
    """The comparison of some responses, in this order."""
    ends = torch.tensor(LENGTHS).cumsum(0).tolist()
    places = torch.cat([torch.arange(ends[row] - LENGTHS[row], ends[row]) for row in rows])
    left, right = (HeadAndStates(side.head, side.states[places]) for side in sides)
    lengths = [LENGTHS[row] for row in rows]
    return compare_new(left, right, TOKENS[places], lengths, TokenRows(folder, key), TOP, 4)


def test_only_what_is_new_is_compared(sides: list[HeadAndStates], tmp_path: Path):
    first, compared = run(sides, tmp_path, [2, 3])
    assert compared == 8
    grown, compared = run(sides, tmp_path, [0, 1, 2, 3, 4])
    assert compared == 3 + 4
    pd.testing.assert_frame_equal(grown.iloc[3:11].reset_index(drop=True), first, check_exact=True)
    whole = compare(sides[0], sides[1], TOKENS, TOP, 100)
    pd.testing.assert_frame_equal(grown.drop(columns=["category"]), whole.drop(columns=["category"]), rtol=1e-5)
    assert grown["category"].astype(str).tolist() == whole["category"].astype(str).tolist()
    again, compared = run(sides, tmp_path, [4, 0, 2])
    assert compared == 0
    assert again["token_id"].tolist() == [*range(11, 15), *range(3), *range(3, 10)]
    assert run(sides, tmp_path, [0], key="other")[1] == 3


def test_equal_responses_are_compared_once(sides: list[HeadAndStates], tmp_path: Path):
    twice, compared = run(sides, tmp_path, [2, 2])
    assert (len(twice), compared) == (14, 7)
    pd.testing.assert_frame_equal(twice.iloc[7:].reset_index(drop=True), twice.iloc[:7], check_exact=True)


def test_kept_rows_have_the_types_of_new_ones(sides: list[HeadAndStates], tmp_path: Path):
    new, _ = run(sides, tmp_path, [0, 2])
    kept, compared = run(sides, tmp_path, [0, 2])
    assert compared == 0
    pd.testing.assert_frame_equal(kept, new, check_exact=True)
    assert kept["base_top_ids"][0].dtype == new["base_top_ids"][0].dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_content_is_all_of_it(dtype: torch.dtype):
    one, tokens = torch.ones(3, 4, dtype=dtype), torch.arange(3)
    other = one.clone()
    other[2, 3] += 0.5
    found = [tensor_digest(one, one, tokens), tensor_digest(one, other, tokens), tensor_digest(other, one, tokens)]
    found += [
        tensor_digest(one, one, tokens + 1),
        tensor_digest(one[:2], one[2:], tokens),
        tensor_digest(one.float().double(), one, tokens),
    ]
    assert len(set(found)) == len(found)
    assert tensor_digest(one.T.contiguous().T, one, tokens) == found[0]
