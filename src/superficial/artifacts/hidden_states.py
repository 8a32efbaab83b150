"""Hidden states that were computed once, kept by content: for runs that were killed, shared between jobs, or grow."""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from superficial.artifacts.files import digest, whole_file

VERSION = 1  # part of what states are kept under: raise it when scoring changes


class HiddenStates:
    """The states (T, H) of sequences under one model, in `results/.states`: a file for each batch, whole or not there.

    A sequence is a `TokenSequence`; the digest of its ids is its name in the file. Deleting the folder costs work and
    no more. `key` identifies the model.
    """

    def __init__(self, results: Path, key: str) -> None:
        self._folder = results / ".states" / digest([key, VERSION])[:32]
        self._where: dict[str, Path] = {}
        for file in sorted(self._folder.glob("*.safetensors")):
            with safe_open(file, framework="pt") as kept:
                self._where |= dict.fromkeys(kept.keys(), file)

    def get(self, sequence: Any) -> torch.Tensor | None:
        """The states of a sequence, if anybody computed them."""
        name = digest(astuple(sequence))
        if name not in self._where:
            return None
        with safe_open(self._where[name], framework="pt") as kept:
            found: torch.Tensor = kept.get_tensor(name)
        return found

    def put(self, sequences: Sequence[Any], states: Sequence[torch.Tensor]) -> None:
        """Keep the states of a batch; they are on disk when this returns."""
        names = [digest(astuple(sequence)) for sequence in sequences]
        path = self._folder / f"{digest(names)[:32]}.safetensors"
        with whole_file(path) as partial:
            save_file({name: one.contiguous() for name, one in zip(names, states, strict=True)}, partial)
        self._where |= dict.fromkeys(names, path)
