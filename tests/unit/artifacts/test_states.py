"""States on the disk: score files are written and read in pieces, and what they hold lies there once."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from superficial.artifacts.files import canonical
from superficial.artifacts.hidden_states import HiddenStates
from superficial.artifacts.state_file import StateFile, write_states
from superficial.inference.teacher_forcing import Packed, TokenSequence

SEQUENCES = [TokenSequence([1, 2], [3, 4, 5]), TokenSequence([1], [6]), TokenSequence([2], [7, 8])]
LENGTHS = [3, 1, 2]
PIECES = [torch.full((length, 4), float(row)) for row, length in enumerate(LENGTHS)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_pieces_give_the_bytes_of_safetensors(tmp_path: Path, dtype: torch.dtype):
    pieces = [torch.randn(length, 4).to(dtype) for length in LENGTHS]
    about = {"model": 'é"', "context": "x"}
    write_states(tmp_path / "a.safetensors", iter(pieces), LENGTHS, about)
    whole = {"states": torch.cat(pieces), "lengths": torch.tensor(LENGTHS)}
    save_file(whole, tmp_path / "b.safetensors", metadata={"about": canonical(about)})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    file = StateFile(tmp_path / "b.safetensors")
    assert (file.lengths, file.dtype, file.shape) == (LENGTHS, dtype, (6, 4))
    assert torch.equal(file.read(), whole["states"])
    assert torch.equal(file.read(3, 5), whole["states"][3:5])
    assert file.read(2, 2).shape == (0, 4)


def test_too_few_states_are_no_file(tmp_path: Path):
    with pytest.raises(ValueError, match="not those of 6 tokens"):
        write_states(tmp_path / "a.safetensors", PIECES[:2], LENGTHS, {})
    assert not list(tmp_path.iterdir())


def kept(folder: Path) -> HiddenStates:
    states = HiddenStates(folder, "model")
    states.put(SEQUENCES[:2], PIECES[:2])
    states.put(SEQUENCES[2:], PIECES[2:])
    return states


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob(".states/*/*.safetensors"))


def right(states: HiddenStates) -> bool:
    found = [states.get(sequence) for sequence in SEQUENCES]
    return all(one is not None and torch.equal(one, piece) for one, piece in zip(found, PIECES, strict=True))


def test_a_score_file_takes_the_place_of_the_batches(tmp_path: Path):
    states, score = kept(tmp_path), tmp_path / "score.safetensors"
    other = HiddenStates(tmp_path, "model")  # of a job that is at work already
    write_states(score, PIECES, LENGTHS, {})
    states.move(SEQUENCES, score)
    (file,) = files(tmp_path)
    assert file.samefile(score)
    score.unlink()  # as the workflow does before it makes the file again
    assert all(right(one) for one in (states, other, HiddenStates(tmp_path, "model")))
    states.move(SEQUENCES, file)
    assert len(files(tmp_path)) == 1
    assert right(HiddenStates(tmp_path, "model"))


@pytest.mark.fault("operating system", "the file system has no hard links", "handled: states lie on the disk twice")
def test_without_hard_links_the_batches_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError

    states, score = kept(tmp_path), tmp_path / "score.safetensors"
    write_states(score, PIECES, LENGTHS, {})
    monkeypatch.setattr(os, "link", refuse)
    states.move(SEQUENCES, score)
    assert len(files(tmp_path)) == 2
    assert right(HiddenStates(tmp_path, "model"))


def test_what_others_need_is_not_dropped(tmp_path: Path):
    states = kept(tmp_path)
    states.drop(SEQUENCES[:1])
    again = HiddenStates(tmp_path, "model")
    assert SEQUENCES[0] not in again
    assert SEQUENCES[1] in again  # in one file with the first
    states.drop(SEQUENCES)
    assert not files(tmp_path)
    assert HiddenStates(tmp_path, "model").get(SEQUENCES[2]) is None


def test_batches_without_an_index_are_found(tmp_path: Path):
    """Those of an older version, and of a line that was lost; headers are read once."""
    kept(tmp_path)
    (index,) = tmp_path.glob(".states/*/index.jsonl")
    index.unlink()
    assert right(HiddenStates(tmp_path, "model"))
    assert index.is_file()


def test_packed_sequences_are_the_sequences():
    packed = Packed(iter(SEQUENCES))
    assert list(packed) == SEQUENCES
    assert packed[1:] == SEQUENCES[1:]
    assert len(packed) == 3
