"""Hidden states of finished batches, kept on disk until the file that they are parts of is written."""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from superficial.artifact import digest, whole_file
from superficial.models.load import Loaded


class Parts:
    """One file a batch in `results/.states`, named by what decides its content: whoever needs it makes it, once.

    A batch is a list of `score.Sequence`.
    """

    def __init__(self, loaded: Loaded, results: Path) -> None:
        self._key, self._folder = loaded.key, results / ".states"

    def read(self, batch: Sequence[Any]) -> torch.Tensor | None:
        """The states (N, H) of a batch, if somebody finished it before."""
        try:
            return load_file(self._path(batch))["states"]
        except FileNotFoundError:
            return None

    def keep(self, batch: Sequence[Any], states: torch.Tensor) -> None:
        """Keep the states (N, H) of a batch."""
        with whole_file(self._path(batch)) as partial:
            save_file({"states": states}, partial)

    def drop(self, batch: Sequence[Any]) -> None:
        """Delete what is kept of a batch."""
        self._path(batch).unlink(missing_ok=True)

    def _path(self, batch: Sequence[Any]) -> Path:
        return self._folder / f"{digest([self._key, *map(astuple, batch)])[:32]}.safetensors"
