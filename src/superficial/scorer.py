"""Teacher forcing: the final hidden states that predict each token of a response, one forward pass per batch."""

from collections.abc import Iterator
from collections.abc import Sequence as Several
from dataclasses import dataclass

import torch

from superficial.head import Head, check_head, states_and_logits
from superficial.models.load import Loaded
from superficial.prefix import Prefix
from superficial.progress import progress
from superficial.shard import Shard
from superficial.states import States


@dataclass(frozen=True)
class Sequence:
    """Context and response of one example, as token ids."""

    context: list[int]
    response: list[int]

    @property
    def fed(self) -> list[int]:
        """What the model reads: the last response token is only predicted."""
        return (self.context + self.response)[:-1]


class Scorer:
    """Scores responses in batches; `fed_tokens` and `forward_passes` count what that took.

    Batches are cut from all sequences, whoever does them and whatever was done before, and a batch leaves out what is
    kept already: so a run in shards, or one that was killed, ends with the states of an undisturbed one to the bit.
    """

    def __init__(self, loaded: Loaded, batch_tokens: int, kept: States | None = None) -> None:
        self.fed_tokens = self.forward_passes = 0
        self._loaded, self._budget, self._kept = loaded, batch_tokens, kept
        self._head: Head | None = None
        self._prefix = Prefix([])

    def states(self, sequences: Several[Sequence]) -> torch.Tensor:
        """Final hidden states (N, H) on the CPU that predict each response token, in the order of `sequences`."""
        found = dict(self._work(sequences, batches(sequences, self._budget)))
        return torch.cat([found[row] for row in range(len(sequences))])

    def share(self, sequences: Several[Sequence], shard: Shard) -> None:
        """Do a shard of the batches, and keep their states for `states`."""
        for _ in self._work(sequences, shard.of(batches(sequences, self._budget))):
            pass

    def _work(self, sequences: Several[Sequence], groups: Several[list[int]]) -> Iterator[tuple[int, torch.Tensor]]:
        """The rows of `groups` with their states (T, H)."""
        total = sum(len(sequences[row].response) for rows in groups for row in rows)
        with progress(f"scoring ({self._loaded.manifest['name']})", total, "tokens") as bar:
            for rows in groups:
                kept = {row: states for row in rows if (states := self._found(sequences[row])) is not None}
                missing = [row for row in rows if row not in kept]
                if missing:
                    if not self.forward_passes:
                        self._read_prefix(sequences)
                    new = dict(zip(missing, self._batch([sequences[row] for row in missing]), strict=True))
                    if self._kept:
                        self._kept.put([sequences[row] for row in new], [*new.values()])
                    kept |= new
                bar.update(sum(map(len, kept.values())))
                yield from kept.items()

    def _found(self, sequence: Sequence) -> torch.Tensor | None:
        return self._kept.get(sequence) if self._kept else None

    @torch.inference_mode()
    def _read_prefix(self, sequences: Several[Sequence]) -> None:
        """What all contexts start with is read once, before the first batch."""
        self._prefix = Prefix.read(self._loaded, [sequence.context for sequence in sequences])
        self.fed_tokens += len(self._prefix.ids)

    @torch.inference_mode()
    def _batch(self, batch: Several[Sequence]) -> list[torch.Tensor]:
        """States (T, H) of each sequence. The first batch also checks that head(states) are the model's own logits."""
        rests = [sequence.fed[len(self._prefix.ids) :] for sequence in batch]
        width, device = max(map(len, rests)), self._loaded.device
        pad = self._loaded.end_ids[0]  # never seen: attention is causal, and what lies right of a response is not read
        ids = torch.tensor([rest + [pad] * (width - len(rest)) for rest in rests], device=device)
        mask = torch.tensor([[1] * len(rest) + [0] * (width - len(rest)) for rest in rests], device=device)
        inputs = {"input_ids": ids, **self._prefix.before(self._loaded.model, mask)}
        self.forward_passes += 1
        self.fed_tokens += sum(map(len, rests))
        if self._head is None:
            self._head = Head.of(self._loaded.model)
            hidden, logits = states_and_logits(self._loaded.model, **inputs)
            check_head(self._head, hidden[:, -1], logits[:, -1], self._loaded.manifest["name"])
        else:
            hidden = self._loaded.model.base_model(**inputs).last_hidden_state
        starts = [len(sequence.context) - 1 - len(self._prefix.ids) for sequence in batch]
        return [
            row[start : start + len(sequence.response)].cpu()
            for sequence, row, start in zip(batch, hidden, starts, strict=True)
        ]


def batches(sequences: Several[Sequence], budget: int) -> list[list[int]]:
    """Row numbers in batches of at most `budget` tokens with padding (or one row), like lengths together."""
    found: list[list[int]] = []
    for row in sorted(range(len(sequences)), key=lambda row: len(sequences[row].fed)):
        # Sorted, so this row is the longest of the batch.
        if not found or (len(found[-1]) + 1) * len(sequences[row].fed) > budget:
            found.append([])
        found[-1].append(row)
    return found
