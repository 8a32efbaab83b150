"""Responses with swapped tokens, and the store in which they survive a kill."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from superficial.artifacts.files import digest
from superficial.artifacts.progress import progress
from superficial.artifacts.store import Store
from superficial.inference.room import Size
from superficial.models.load import LoadedModel
from superficial.probes.causal.lockstep import Lockstep, LockstepCounts, SwappedResponse, SwapTask
from superficial.probes.causal.rule import SIDES, Side
from superficial.shift.pair.pairing import Pairing

VERSION = 1  # part of the key of every stored response: raise it when a rule decodes otherwise


class StoredSwaps:
    """Both models of a pair, and what they have answered before."""

    def __init__(self, models: Mapping[Side, LoadedModel], pairing: Pairing, batch: Size, results: Path) -> None:
        self.batch = batch  # a number once something was decoded
        self._models, self._pairing = models, pairing
        self._about = [models[side].key for side in SIDES]
        self._store = Store(results / ".causal" / f"{digest(self._about)[:32]}.jsonl")
        self.work = LockstepCounts()

    def answer(self, tasks: Sequence[SwapTask]) -> list[SwappedResponse]:
        """The response to each task; what the store holds is not decoded again, and each new one is put there.

        In half precision whole batches are decoded, of which the stored responses stay as they are.
        """
        keys = [digest([self._about, asdict(task), VERSION]) for task in tasks]
        asked = dict(zip(keys, tasks, strict=True))
        waiting = {key for key in asked if key not in self._store}
        if waiting and all(loaded.exact for loaded in self._models.values()):
            asked = {key: task for key, task in asked.items() if key in waiting}
        names = list(asked)
        missing = {index for index, key in enumerate(names) if key in waiting}
        with progress("swapping tokens", len(set(keys)), "responses") as bar:
            bar.update(bar.total - len(waiting))
            lockstep = Lockstep(self._models, self._pairing, self.batch, lambda: bar.update(0))
            for index, found in lockstep.answers(list(asked.values()) if waiting else [], tasks, missing):
                if index in missing:
                    self._store.put({names[index]: asdict(found)})
                    bar.update()
        self.batch = lockstep.batch
        self.work.forward_passes += lockstep.work.forward_passes
        self.work.fed_tokens += lockstep.work.fed_tokens
        return [SwappedResponse(**self._store[key]) for key in keys]
