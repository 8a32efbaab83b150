"""How far the base under a prompt is from the aligned model; every result is kept by content as it is found."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from superficial.artifacts.files import digest, file_sha256
from superficial.artifacts.state_file import StateFile
from superficial.artifacts.store import Store
from superficial.artifacts.token_rows import tensor_digest
from superficial.config.schema import PromptConfig, RuntimeConfig
from superficial.inference.room import positions_at_a_time
from superficial.inference.shared_prefix import SharedPrefix
from superficial.inference.teacher_forcing import TeacherForcing, TokenSequence
from superficial.models.head import LMHead
from superficial.models.head_file import read_head
from superficial.models.load import LoadedModel
from superficial.models.manifest import model_key, read_manifest
from superficial.probes.search.greedy import ExampleIds
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.files import parts_of
from superficial.shift.compare import in_halves
from superficial.shift.distributions import HeadAndStates, Workspaces, divergence
from superficial.shift.pair.pairing import Pairing
from superficial.shift.score import build_sequences

VERSION = 1  # part of what results are kept under: raise it when scoring or comparing changes


@dataclass(frozen=True, eq=False)  # two are the same half when they are the same object
class Half:
    """Responses of some instructions, and the aligned model's states at each of their tokens."""

    ids: list[str]
    responses: pd.DataFrame  # as the base reads them
    states: torch.Tensor  # (N, H) on the CPU

    @property
    def lengths(self) -> list[int]:
        """Response tokens of each instruction that count."""
        return [len(tokens) for tokens in self.responses["token_ids"]]

    @property
    def key(self) -> str:
        """What of the aligned model is compared with, by content."""
        return tensor_digest(self.states)


def half_of(ids: list[str], responses: pd.DataFrame, states: StateFile, most: int | None) -> Half:
    """The responses of `ids`, in the order of `responses`, the first `most` tokens of each; `states` are of all.

    Only their states are read.
    """
    chosen = responses["id"].isin(ids).to_numpy()
    kept = responses[chosen].assign(token_ids=lambda table: [list(tokens)[:most] for tokens in table["token_ids"]])
    starts = np.cumsum([0, *map(len, responses["token_ids"])])[:-1][chosen].tolist()
    rows = [states.read(start, start + len(tokens)) for start, tokens in zip(starts, kept["token_ids"], strict=True)]
    return Half(kept["id"].tolist(), kept, torch.cat(rows))


@dataclass(frozen=True)
class MeasuredPrompt:
    """What one prompt makes of the responses of a half, and what it took to know."""

    kl: list[float]  # KL(aligned || base), nats, summed over the tokens of each response
    fed_tokens: int
    forward_passes: int
    known_tokens: int  # of the examples before the last one, read once for all candidates of a step


class PromptDistance:
    """A prompt with any examples of its pool in the place of its own; results lie in `results/.search`."""

    def __init__(
        self,
        base: LoadedModel,
        aligned: Path,
        pair: Path,
        prompt: PromptConfig,
        files: Sequence[Path],
        data: pd.DataFrame,
        runtime: RuntimeConfig,
        results: Path,
    ) -> None:
        """`aligned` is that model's manifest, `files` are those that `prompt` reads. Weights are read when needed."""
        self.fed_tokens = self.forward_passes = 0  # of this process; what was kept took none
        self.score_tokens = runtime.score_tokens  # the batch of the last prompt that was read
        self._base, self._aligned, self._pairing = base, aligned, Pairing.read(pair)
        self._prompt, self._files, self._data, self._runtime = prompt, files, data, runtime
        self._about = [VERSION, base.key, model_key(read_manifest(aligned)), file_sha256(pair)]
        self._store = Store(results / ".search" / f"{digest(self._about)[:32]}.jsonl")
        self._halving = in_halves()
        self._known = lru_cache(maxsize=1)(self._read_known)  # only the newest is needed

    def kl(self, shown: ExampleIds, half: Half, *, grown: bool = False) -> MeasuredPrompt:
        """Under `shown` examples; `grown`: all but the last one are read once, for all that go on from them."""
        sequences = self._sequences(shown, half)
        key = digest([self._about, half.key, grown, [astuple(one) for one in sequences]])
        if key not in self._store:
            self._store.put({key: vars(self._find(sequences, half, shown[:-1] if grown else None))})
        return MeasuredPrompt(**self._store[key])

    def _find(self, sequences: list[TokenSequence], half: Half, before: ExampleIds | None) -> MeasuredPrompt:
        known = None if before is None else self._known(before, half)
        scorer = TeacherForcing(self._base, self._runtime.score_tokens, known=known, quiet=True)
        divergences = self._divergences(scorer.states(sequences), half.states)
        self.score_tokens = scorer.batch_tokens
        self.fed_tokens += scorer.fed_tokens
        self.forward_passes += scorer.forward_passes
        kl = [float(part.double().sum()) for part in torch.split(divergences, half.lengths)]
        return MeasuredPrompt(kl, scorer.fed_tokens, scorer.forward_passes, known.fed if known else 0)

    def _read_known(self, shown: ExampleIds, half: Half) -> SharedPrefix:
        """What prompts with `shown` begin with, always read example by example, so that a killed run goes on alike."""
        before = self._known(shown[:-1], half) if shown else None
        contexts = [sequence.context for sequence in self._sequences(shown, half)]
        with torch.inference_mode():
            found = SharedPrefix.read(self._base, contexts, before)
        self.fed_tokens += found.fed
        self.forward_passes += found.fed > 0
        return found

    def _sequences(self, shown: ExampleIds, half: Half) -> list[TokenSequence]:
        builder = PromptBuilder.of(self._base, *showing(self._prompt, self._files, shown))
        return build_sequences(self._base, builder, self._data, half.responses)

    @torch.inference_mode()
    def _divergences(self, base: torch.Tensor, aligned: torch.Tensor) -> torch.Tensor:
        """KL(aligned || base) (N,) from the states (N, H) of both."""
        heads, chunk = self._heads, self._chunk
        here = heads[0].weight.device

        def work(part: slice) -> torch.Tensor:
            sides = HeadAndStates(heads[0], base[part].to(here)), HeadAndStates(heads[1], aligned[part].to(here))
            return divergence(*sides, self._workspaces.of(self._halving.most or chunk)).cpu()

        return torch.cat([*self._halving.parts(work, len(base), chunk)])

    @cached_property
    def _heads(self) -> tuple[LMHead, LMHead]:
        """Of the base and of the aligned model, whose body is not read."""
        own = LMHead.of(self._base.model)
        other = read_head(self._aligned, str(own.weight.device))
        return self._pairing.base_head(own), self._pairing.aligned_head(other)

    @cached_property
    def _chunk(self) -> int:
        return positions_at_a_time(self._runtime.position_chunk, self._heads[0])

    @cached_property
    def _workspaces(self) -> Workspaces:
        return Workspaces(self._heads[0].vocabulary, self._heads[0].weight.device)


def showing(prompt: PromptConfig, files: Sequence[Path], shown: ExampleIds) -> tuple[PromptConfig, list[Path]]:
    """`prompt` with these examples of its pool, or without any, and the files that it then reads."""
    if prompt.examples is not None and shown:
        examples = prompt.examples.model_copy(update={"ids": list(shown)})
        return prompt.model_copy(update={"examples": examples}), list(files)
    others = [file for part, file in zip(parts_of(prompt), files, strict=True) if part != "examples"]
    return prompt.model_copy(update={"examples": None}), others
