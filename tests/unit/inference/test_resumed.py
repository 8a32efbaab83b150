"""A run that goes on: in half precision with the batches of the first, because rows may change each other's tokens."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from support.reference import NEW, RESTS, VOCABULARY, early_ends, llama, prompts
from support.reference import loaded as made

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import canonical
from superficial.artifacts.hidden_states import HiddenStates
from superficial.artifacts.shard import Shard
from superficial.artifacts.store import Store
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.requests import answer_requests, generation_request, open_store, shard_requests
from superficial.inference.teacher_forcing import TeacherForcing, TokenSequence
from superficial.models.load import LoadedModel

GREEDY, BATCH = GreedyDecoding(6), 3
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])


def model_of(dtype: torch.dtype, ends: Sequence[int] = (1,)) -> LoadedModel:
    found = made(llama, list(ends))
    return LoadedModel(
        lambda: found.model.to(dtype), found.tokenizer, found.manifest, found.device, dtype, list(ends), 512
    )


@contextmanager
def fed(model: LoadedModel) -> Iterator[list[tuple[int, ...]]]:
    """Shapes (rows, tokens) of the ids of every forward pass."""
    shapes: list[tuple[int, ...]] = []
    hook = model.model.base_model.register_forward_pre_hook(
        lambda _module, _args, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    try:
        yield shapes
    finally:
        hook.remove()


@DTYPES
def test_answers_that_are_missing_are_decoded_among_those_they_belong_to(dtype: torch.dtype, tmp_path: Path):
    """Killed in the middle of the second batch of three."""
    model = model_of(dtype)
    requests = [generation_request(model, GREEDY, str(index), one) for index, one in enumerate(prompts())]
    with fed(model) as shapes:
        whole = answer_requests(model, GREEDY, requests, BATCH, open_store(model, GREEDY, tmp_path / "a"))
    assert [rows for rows, _ in shapes] == [1] + [3] * 6 + [3] * 6 + [2] * 6
    order = sorted(range(len(requests)), key=lambda row: (len(requests[row].prompt), requests[row].prompt))
    (kept,) = (tmp_path / "a").glob(".responses/*")
    done = Store(kept)
    store = open_store(model, GREEDY, tmp_path / "b")
    known = {requests[row].key: done[requests[row].key] for row in order[:4]}
    known[requests[order[3]].key] |= {"text": "as it was"}  # what is there stays
    store.put(known)
    with fed(model) as again:
        resumed = answer_requests(model, GREEDY, requests, BATCH, store)
    rows = [rows for rows, _ in again]
    if dtype == torch.float32:
        assert rows == [1] + [3] * 6 + [1] * 6  # the four that are missing, batched anew
    else:
        assert rows == [1] + [3] * 6 + [2] * 6
        assert again[1:] == shapes[7:]
        assert resumed.answers[order[3]].text == "as it was"
    assert [one.token_ids for one in resumed.answers] == [one.token_ids for one in whole.answers]
    with fed(model) as nothing:
        answer_requests(model, GREEDY, requests, BATCH, store)
    assert nothing == []


@DTYPES
def test_in_half_precision_nobody_joins_a_batch(dtype: torch.dtype, tmp_path: Path):
    """So what a batch decodes hangs on its own prompts alone, and a run that goes on decodes it as the first one did."""
    model, greedy = model_of(dtype, early_ends(llama)), GreedyDecoding(NEW)
    requests = [generation_request(model, greedy, str(index), one) for index, one in enumerate(prompts())]
    with fed(model) as shapes:
        whole = answer_requests(model, greedy, requests, BATCH, open_store(model, greedy, tmp_path / "a"))
    assert len({len(one.token_ids) for one in whole.answers}) > 2
    order = sorted(range(len(requests)), key=lambda row: (len(requests[row].prompt), requests[row].prompt))
    groups = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    lengths = [len(one.token_ids) for one in whole.answers]
    alone = [
        [(len(rows), max(RESTS[row] for row in rows))]
        + [(sum(lengths[row] > step for row in rows), 1) for step in range(1, max(lengths[row] for row in rows))]
        for rows in groups
    ]
    in_turn = [one for those in alone for one in those]
    if dtype == torch.float32:
        assert shapes[1:] != in_turn
        return
    assert shapes[1:] == in_turn
    store = open_store(model, greedy, tmp_path / "b")
    (kept,) = (tmp_path / "a").glob(".responses/*")
    done = Store(kept)
    store.put({requests[row].key: done[requests[row].key] for row in order if row != groups[1][0]})
    with fed(model) as again:
        resumed = answer_requests(model, greedy, requests, BATCH, store)
    assert again[1:] == alone[1]
    assert resumed.answers == whole.answers


@DTYPES
def test_shards_decode_the_batches_of_one_job(dtype: torch.dtype, tmp_path: Path):
    model = model_of(dtype)
    requests = [generation_request(model, GREEDY, str(index), one) for index, one in enumerate(prompts())]
    with fed(model) as whole:
        answer_requests(model, GREEDY, requests, BATCH, open_store(model, GREEDY, tmp_path / "a"))
    with fed(model) as shared:
        for number in (1, 2):
            part = shard_requests(requests, BATCH, Shard(number, 2))
            answer_requests(model, GREEDY, part, BATCH, open_store(model, GREEDY, tmp_path / "b"), among=requests)
    assert sorted(shared) == sorted([*whole, whole[0]])  # each shard reads the prefix
    with fed(model) as last:
        answer_requests(model, GREEDY, requests, BATCH, open_store(model, GREEDY, tmp_path / "b"))
    assert last == []


@DTYPES
def test_states_that_are_missing_are_read_among_those_they_belong_to(dtype: torch.dtype, tmp_path: Path):
    model = model_of(dtype)
    draw = torch.Generator().manual_seed(0)
    sequences = [
        TokenSequence([7 + row], torch.randint(5, VOCABULARY, (8,), generator=draw).tolist()) for row in range(6)
    ]
    whole = TeacherForcing(model, 1000).states(sequences)
    kept = HiddenStates(tmp_path, model.key)
    marked = [torch.full((8, 48), float(row), dtype=dtype) for row in range(2)]
    kept.put(sequences[:2], marked)
    with fed(model) as shapes:
        found = TeacherForcing(model, 1000, kept).states(sequences)
    assert shapes == [(4 if dtype == torch.float32 else 6, 8)]
    assert torch.equal(found[:16], torch.cat(marked))  # what is there stays
    assert torch.equal(found[16:], whole[16:])
    with fed(model) as nothing:
        assert torch.equal(TeacherForcing(model, 1000, HiddenStates(tmp_path, model.key)).states(sequences), found)
    assert nothing == []


@DTYPES
@pytest.mark.parametrize("late", [False, True])
def test_states_that_another_job_deletes_are_read_again(dtype: torch.dtype, late: bool, tmp_path: Path):
    """Two pairs with one model score the same responses at a time; one of them is through before the other."""
    model = model_of(dtype)
    sequences = [TokenSequence([7 + row], [9, 8 + row, 30]) for row in range(6)]
    whole = TeacherForcing(model, 8).states(sequences)
    scorer = TeacherForcing(model, 8, HiddenStates(tmp_path, model.key))
    scorer.keep(sequences)
    (index,) = tmp_path.glob(".states/*/index.jsonl")
    lines = index.read_bytes()
    HiddenStates(tmp_path, model.key).drop(sequences)
    if late:  # the other job deleted the batches before this one had put down where they are
        with index.open("ab") as handle:
            handle.write(lines)
    states = scorer.kept_states(sequences)
    with fed(model) as shapes:
        found = list(states)
    assert torch.equal(torch.cat(found), whole)
    assert len(shapes) == 3  # two responses at a time, once each


@pytest.mark.fault("operating system", "other jobs delete states that are being read", "error names the folder")
def test_states_that_go_again_and_again_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model, kept = model_of(torch.float32), HiddenStates(tmp_path, "m")
    monkeypatch.setattr(kept, "get", lambda _: None)
    scorer = TeacherForcing(model, 8, kept)
    with pytest.raises(UserError, match="other jobs delete the states"):
        list(scorer.kept_states([TokenSequence([7], [9, 8])]))


def test_the_sidecar_says_what_may_have_decided(tmp_path: Path):
    model = model_of(torch.bfloat16)
    assert model.facts["attention"] is None
    facts = answer_requests(
        model, GREEDY, [generation_request(model, GREEDY, "a", prompts()[0])], 5, open_store(model, GREEDY, tmp_path)
    ).facts
    assert canonical(facts)
    expected = {"device": "cpu", "card": None, "dtype": "torch.bfloat16", "attention": "sdpa", "generate_batch": 5}
    assert {name: facts[name] for name in expected} == expected
