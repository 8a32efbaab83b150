"""Hidden states that were computed once, kept by content: for runs that were killed, shared between jobs, or grow."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from superficial.artifacts.damage import undamaged
from superficial.artifacts.disk import flush, make_folder
from superficial.artifacts.errors import UserError
from superficial.artifacts.files import digest, whole_file
from superficial.artifacts.state_file import StateFile
from superficial.artifacts.store import Store

VERSION = 1  # part of what states are kept under: raise it when scoring changes
SCORED = "scored-"  # begins the name of a file that is a score file, too


class HiddenStates:
    """The states (T, H) of sequences under one model, in `results/.states`: a file for each batch, whole or not there.

    A sequence is a `TokenSequence`; the digest of its ids is its name. `index.jsonl` says which file holds it. Once
    all states stand in a score file, that file takes the place of the batches: a hard link, so that they lie on the
    disk once. Deleting the folder costs work and no more. `key` identifies the model.
    """

    def __init__(self, results: Path, key: str) -> None:
        self.folder = results / ".states" / digest([key, VERSION])[:32]
        self._scored: dict[str, StateFile] = {}
        self._open()

    def _open(self) -> None:
        """Read the index; batches that it does not know, as of an older version, are looked into once."""
        self._index = Store(self.folder / "index.jsonl")
        self._files = {file.name for file in self.folder.glob("[!.]*.safetensors")}
        known = {entry[0] for entry in self._index.values()}
        for name in sorted(self._files - known):
            if not name.startswith(SCORED):
                with undamaged(self.folder / name), safe_open(self.folder / name, framework="pt") as kept:
                    self._index.put({key: [name] for key in kept.keys()})  # noqa: SIM118 - no dict

    def __contains__(self, sequence: Any) -> bool:
        return self._place(sequence) is not None

    def get(self, sequence: Any) -> torch.Tensor | None:
        """The states of a sequence, if anybody computed them."""
        for _ in range(2):  # another job may just have put its states into another file
            place = self._place(sequence)
            if place is None:
                return None
            try:
                return self._read(sequence, *place)
            except FileNotFoundError:
                self._open()
        return None

    def put(self, sequences: Sequence[Any], states: Sequence[torch.Tensor]) -> None:
        """Keep the states of a batch; they are on disk when this returns."""
        names = [_name(sequence) for sequence in sequences]
        path = self.folder / f"{digest(names)[:32]}.safetensors"
        with whole_file(path) as partial:
            save_file({name: one.contiguous() for name, one in zip(names, states, strict=True)}, partial)
        self._files.add(path.name)
        self._index.put({name: [path.name] for name in names})

    def move(self, sequences: Iterable[Any], score: Path) -> None:
        """The score file holds the states of these sequences, one after the other: the batches go.

        Where the file system has no hard links they stay.
        """
        names = [_name(sequence) for sequence in sequences]
        path = self.folder / f"{SCORED}{digest(names)[:32]}.safetensors"
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            make_folder(self.folder)
            os.link(score, partial)
            partial.replace(path)
            flush(self.folder)  # before the index names it, and before the batches go
        except (OSError, UserError):
            return
        finally:
            partial.unlink(missing_ok=True)
        self._scored.pop(path.name, None)
        places, start = {}, 0
        for name, length in zip(names, StateFile(score).lengths, strict=True):
            places[name] = [path.name, start, start + length]
            start += length
        self._files.add(path.name)
        self._index.put(places)
        self._delete_unused()

    def drop(self, sequences: Iterable[Any]) -> None:
        """Forget the states of these sequences."""
        self._index.put({_name(sequence): [""] for sequence in sequences})
        self._delete_unused()

    def _delete_unused(self) -> None:
        """Delete the files that hold nothing which stands nowhere else."""
        used = {entry[0] for entry in self._index.values()}
        for name in self._files - used:
            (self.folder / name).unlink(missing_ok=True)
        self._files &= used

    def _place(self, sequence: Any) -> list[Any] | None:
        name = _name(sequence)
        if name not in self._index:
            return None
        place: list[Any] = self._index[name]
        return place if place[0] in self._files else None

    def _read(self, sequence: Any, file: str, start: int = 0, stop: int = -1) -> torch.Tensor:
        path = self.folder / file
        if file.startswith(SCORED):
            if file not in self._scored:
                self._scored[file] = StateFile(path)
            return self._scored[file].read(start, stop)
        with undamaged(path), safe_open(path, framework="pt") as kept:
            found: torch.Tensor = kept.get_tensor(_name(sequence))
        return found


def _name(sequence: Any) -> str:
    return digest(astuple(sequence))
