"""Score files: the hidden states of all responses in one safetensors file, written and read a response at a time."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from weakref import finalize

import torch

from superficial.artifacts.damage import undamaged
from superficial.artifacts.errors import UserError
from superficial.artifacts.files import canonical, whole_file

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_states(path: Path, states: Iterable[torch.Tensor], lengths: Sequence[int], about: Mapping[str, str]) -> None:
    """Write `states` (N, H), given in pieces, and `lengths` (E,); `about` says what decided the states.

    The bytes are those of safetensors' own `save_file`, which would need all states at once.
    """
    pieces = iter(states)
    first = next(pieces)
    size, width = sum(lengths), first.shape[1]
    front, end = 8 * len(lengths), 8 * len(lengths) + size * width * first.element_size()
    header = {
        # One metadata entry: several would be written in no fixed order, and equal runs must give equal bytes.
        "__metadata__": {"about": canonical(about)},
        "lengths": {"dtype": "I64", "shape": [len(lengths)], "data_offsets": [0, front]},
        "states": {"dtype": NAMES[first.dtype], "shape": [size, width], "data_offsets": [front, end]},
    }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with whole_file(path) as partial, open(partial, "wb") as handle:
        handle.write(len(text).to_bytes(8, "little") + text)
        handle.write(torch.tensor(lengths, dtype=torch.int64).numpy().tobytes())
        for piece in chain([first], pieces):
            handle.write(piece.contiguous().view(torch.uint8).numpy().tobytes())
        if handle.tell() != 8 + len(text) + end:
            raise ValueError(f"{path}: the states are not those of {size} tokens")


class StateFile:
    """The states (N, H) of a score file; only what is asked for is ever in memory."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, os.open(path, os.O_RDONLY)
        finalize(self, os.close, self._file)  # it is open as long as this object lives
        with undamaged(path):
            size = int.from_bytes(self._read(0, 8), "little")
            if size > os.fstat(self._file).st_size:
                raise ValueError("no header")
            header = json.loads(self._read(8, size))
        start, stop = header["lengths"]["data_offsets"]
        lengths = torch.frombuffer(self._read(8 + size + start, stop - start), dtype=torch.int64)
        self.lengths: list[int] = lengths.tolist()  # response tokens of each example
        self.dtype = DTYPES[header["states"]["dtype"]]
        self.shape: tuple[int, int] = tuple(header["states"]["shape"])
        self._start = 8 + size + header["states"]["data_offsets"][0]

    def read(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """The states of some positions, (stop - start, H); by default of all."""
        stop = self.shape[0] if stop is None else stop
        width = self.shape[1] * self.dtype.itemsize
        if start == stop:
            return torch.empty(0, self.shape[1], dtype=self.dtype)
        data = self._read(self._start + start * width, (stop - start) * width)
        return torch.frombuffer(data, dtype=self.dtype).view(-1, self.shape[1])

    def _read(self, start: int, size: int) -> bytearray:
        """Threads may read at a time."""
        found = bytearray(size)
        view, done = memoryview(found), 0
        while done < size:
            done += (got := os.preadv(self._file, [view[done : done + 2**30]], start + done))
            if not got:
                raise UserError(
                    "it is shorter than its header says", where=str(self._path),
                    remedy="delete it and run the same command again: it is made anew",
                )  # fmt: skip
        return found
