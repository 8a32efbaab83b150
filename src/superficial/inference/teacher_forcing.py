"""Teacher forcing: the final hidden states that predict each token of a response, one forward pass per batch."""

import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from tqdm import tqdm

from superficial.artifacts.errors import UserError
from superficial.artifacts.hidden_states import HiddenStates
from superficial.artifacts.progress import progress
from superficial.artifacts.shard import WHOLE, Shard
from superficial.inference.room import Halving, Size, tokens_at_a_time
from superficial.inference.shared_prefix import SharedPrefix
from superficial.inference.threads import TorchThreads
from superficial.models.head import LMHead, check_head, model_body, states_and_logits
from superficial.models.load import LoadedModel


@dataclass(frozen=True)
class TokenSequence:
    """Context and response of one example, as token ids."""

    context: list[int]
    response: list[int]

    @property
    def fed(self) -> list[int]:
        """What the model reads: the last response token is only predicted."""
        return (self.context + self.response)[:-1]


class Packed(Sequence[TokenSequence]):
    """Many sequences in little memory, four bytes a token; each is made when it is asked for."""

    def __init__(self, sequences: Iterable[TokenSequence]) -> None:
        self._ids, self._ends = array("i"), array("q", [0])
        for one in sequences:
            for part in (one.context, one.response):
                self._ids.extend(part)
                self._ends.append(len(self._ids))

    def __len__(self) -> int:
        return len(self._ends) // 2

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        if not 0 <= row < len(self):
            raise IndexError(row)
        start, middle, end = self._ends[2 * row : 2 * row + 3]
        return TokenSequence(self._ids[start:middle].tolist(), self._ids[middle:end].tolist())


class TeacherForcing:
    """Scores responses in batches of `batch_tokens`; `fed_tokens` and `forward_passes` count what that took.

    Batches are always cut from all sequences, no matter which job does them and what was done before. So a run in
    shards, or one that was killed, ends with the same states as an undisturbed run, to the bit. A batch leaves out what
    is kept already, but not in half precision, where the rows of a batch may change each other's last digits.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        batch_tokens: Size,
        kept: HiddenStates | None = None,
        *,
        known: SharedPrefix | None = None,
        quiet: bool = False,
    ) -> None:
        """`known`: what contexts may begin with, read before; `quiet`: this is a part of work with a bar of its own."""
        self.fed_tokens = self.forward_passes = 0
        self.batch_tokens = batch_tokens  # a number from the first batch on
        self._loaded, self._kept = loaded, kept
        self._workers = TorchThreads(loaded.device)
        self._guard = threading.Lock()
        self._turn: AbstractContextManager[Any] = nullcontext()  # for a model that only one may use at a time
        self._prefix: SharedPrefix | None = None
        self._known, self._quiet = known, quiet
        self.halving = Halving(loaded.manifest["name"])

    def states(self, sequences: Sequence[TokenSequence]) -> torch.Tensor:
        """Final hidden states (N, H) on the CPU that predict each response token, in the order of `sequences`."""
        found = dict(self._work(sequences, self._batches(sequences)))
        return torch.cat([found[row] for row in range(len(sequences))])

    def keep(self, sequences: Sequence[TokenSequence], shard: Shard = WHOLE) -> None:
        """Do a shard of the batches, by default all, and keep their states; none stays in memory."""
        assert self._kept is not None
        groups, kept = shard.of(self._batches(sequences)), self._kept

        def work(rows: list[int]) -> int:
            self._new(sequences, rows, [row for row in rows if sequences[row] not in kept])
            return sum(len(sequences[row].response) for row in rows)

        with self._progress(sequences, groups) as bar:
            for tokens in self._workers.map(work, groups):
                bar.update(tokens)

    def kept_states(self, sequences: Sequence[TokenSequence]) -> Iterator[torch.Tensor]:
        """The states (T, H) of each sequence, after `keep`.

        Another job that scores the same responses may have deleted some since. Then they are scored once more. Raises
        UserError where they are gone after that, too.
        """
        assert self._kept is not None
        for sequence in sequences:
            found = self._kept.get(sequence)
            if found is None:
                self.keep(sequences)
                found = self._kept.get(sequence)
            if found is None:
                raise UserError(
                    "other jobs delete the states of these responses while this one reads them",
                    where=str(self._kept.folder),
                    remedy="wait until the other run ends, then run the same command again",
                )
            yield found

    def _batches(self, sequences: Sequence[TokenSequence]) -> list[list[int]]:
        """The batches of `sequences`. Where one is too large for a card, `halving` cuts it by its padded tokens."""
        if self.batch_tokens == "auto":
            lengths = [len(one.fed) for one in sequences]
            self.batch_tokens = tokens_at_a_time("auto", self._loaded, _outermost(sequences), lengths)
        size = partial(_padded, sequences)
        self.halving = Halving(self._loaded.manifest["name"], size)
        return batches(sequences, self.batch_tokens)

    def _work(
        self, sequences: Sequence[TokenSequence], groups: Sequence[list[int]]
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """The rows of `groups` with their states (T, H)."""
        with self._progress(sequences, groups) as bar:
            for found in self._workers.map(lambda rows: self._group(sequences, rows), groups):
                bar.update(sum(map(len, found.values())))
                yield from found.items()

    def _progress(self, sequences: Sequence[TokenSequence], groups: Sequence[list[int]]) -> "tqdm[Any]":
        total = sum(len(sequences[row].response) for rows in groups for row in rows)
        return progress(f"scoring ({self._loaded.manifest['name']})", total, "tokens", shown=not self._quiet)

    def _group(self, sequences: Sequence[TokenSequence], rows: list[int]) -> dict[int, torch.Tensor]:
        """The states of one batch, by row."""
        kept = {row: states for row in rows if (states := self._found(sequences[row])) is not None}
        return kept | self._new(sequences, rows, [row for row in rows if row not in kept])

    def _new(self, sequences: Sequence[TokenSequence], rows: list[int], missing: list[int]) -> dict[int, torch.Tensor]:
        """The states of the rows of a batch that are `missing`; they are kept.

        The first batch of all also checks that head(states) are the model's own logits.
        """
        if not missing:
            return {}
        with self._guard:
            first = self._prefix is None
            if self._prefix is None:  # what all contexts start with is read once
                if has_varying_positions(self._loaded.model):
                    self._turn = threading.Lock()
                self._prefix = SharedPrefix.read(self._loaded, _outermost(sequences), self._known)
                self.fed_tokens += self._prefix.fed
                self.forward_passes += self._prefix.fed > 0
        fed = missing if self._loaded.exact else rows
        prefix = self._prefix
        found = self.halving.each(
            lambda part: zip(part, self._batch([sequences[row] for row in part], prefix, first), strict=True), fed
        )
        new = {row: states for row, states in found if row in missing}
        if self._kept:
            self._kept.put([sequences[row] for row in new], [*new.values()])
        return new

    def _found(self, sequence: TokenSequence) -> torch.Tensor | None:
        return self._kept.get(sequence) if self._kept else None

    def _batch(self, batch: Sequence[TokenSequence], prefix: SharedPrefix, check: bool) -> list[torch.Tensor]:
        """States (T, H) of each sequence."""
        model, device = self._loaded.model, self._loaded.device
        rests = [sequence.fed[len(prefix.ids) :] for sequence in batch]
        width = max(map(len, rests))
        pad = self._loaded.end_ids[0]  # never seen: attention is causal, and what lies right of a response is not read
        ids = torch.tensor([rest + [pad] * (width - len(rest)) for rest in rests], device=device)
        mask = torch.tensor([[1] * len(rest) + [0] * (width - len(rest)) for rest in rests], device=device)
        inputs = {"input_ids": ids, **prefix.before(model, mask)}
        with self._guard:
            self.forward_passes += 1
            self.fed_tokens += sum(map(len, rests))
        with self._turn:
            if check:
                hidden, logits = states_and_logits(model, **inputs)
                check_head(LMHead.of(model), hidden[:, -1], logits[:, -1], self._loaded.manifest["name"])
            else:
                hidden = model_body(model)(**inputs).last_hidden_state
        starts = [len(sequence.context) - 1 - len(prefix.ids) for sequence in batch]
        return [
            row[start : start + len(sequence.response)].cpu()
            for sequence, row, start in zip(batch, hidden, starts, strict=True)
        ]


def batches(sequences: Sequence[TokenSequence], budget: int) -> list[list[int]]:
    """Row numbers in batches of at most `budget` tokens with padding (or one row), similar lengths together."""
    found: list[list[int]] = []
    for row in sorted(range(len(sequences)), key=lambda row: len(sequences[row].fed)):
        # Sorted, so this row is the longest of the batch.
        if not found or (len(found[-1]) + 1) * len(sequences[row].fed) > budget:
            found.append([])
        found[-1].append(row)
    return found


def _padded(sequences: Sequence[TokenSequence], rows: list[int]) -> int:
    """Tokens of a batch, padding included."""
    return len(rows) * max(len(sequences[row].fed) for row in rows)


def _outermost(sequences: Sequence[TokenSequence]) -> list[list[int]]:
    """A few contexts that share what all share: the first and the last in the order of their ids, and the shortest."""
    if len(sequences) == 1:
        return [sequences[0].context]
    keys: list[Any] = [None, len]
    low, short = (min((one.context for one in sequences), key=key) for key in keys)
    return [low, short, max(one.context for one in sequences)]


def has_varying_positions(model: Any) -> bool:
    """Whether a forward pass changes the model: some rotary embeddings are set anew for the length of the input."""
    kinds = (str(getattr(module, "rope_type", "")) for module in model.modules())
    return any(word in kind for kind in kinds for word in ("dynamic", "longrope"))
