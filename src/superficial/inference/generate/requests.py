"""Prompts to answer, and the store in which their answers survive a kill."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from superficial.artifacts.files import digest
from superficial.artifacts.progress import progress
from superficial.artifacts.shard import Shard
from superficial.artifacts.store import Store
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.decode import Decoder, DecodingCounts
from superficial.inference.generate.queue import batches, whole_batches
from superficial.inference.generate.stop import VERSIONS
from superficial.inference.room import Size, answers_at_a_time
from superficial.models.load import LoadedModel


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt to answer; `key` is the content that decides the answer."""

    example: str
    prompt: list[int]
    key: str


def generation_request(
    loaded: LoadedModel, greedy: GreedyDecoding, example: str, prompt: list[int]
) -> GenerationRequest:
    """A request whose key holds everything that decides its answer."""
    return GenerationRequest(
        example, prompt, digest([loaded.key, prompt, asdict(greedy), VERSIONS.get(greedy.stop, 1)])
    )


def open_store(loaded: LoadedModel, greedy: GreedyDecoding, results: Path) -> Store:
    """The store of all answers of one model at one length, shared by the stages that decode."""
    return Store(results / ".responses" / f"{digest([loaded.key, greedy.max_new_tokens])[:32]}.jsonl")


@dataclass(frozen=True)
class AnsweredRequests:
    """The answers to a list of requests, and what this run did for them."""

    answers: list[Answer]
    facts: dict[str, Any]  # for the sidecar: counts, rate, near ties


def shard_requests(requests: Sequence[GenerationRequest], batch: int, shard: Shard) -> list[GenerationRequest]:
    """The requests of this shard: whole batches of those that `answer_requests` would decode, every n-th one."""
    distinct = list({one.key: one for one in requests}.values())
    rows = shard.of(batches([one.prompt for one in distinct], batch))
    return [distinct[row] for together in rows for row in together]


def answer_requests(
    loaded: LoadedModel,
    greedy: GreedyDecoding,
    requests: Sequence[GenerationRequest],
    size: Size,
    store: Store,
    among: Sequence[GenerationRequest] = (),
) -> AnsweredRequests:
    """Answer all requests, in their order; what `store` holds is not decoded again, and each new answer is put there.

    `size`: how many are decoded together. `among`: the requests that these are a part of. `facts` names the examples
    with near ties (see `choose`), of answers of earlier runs too.
    """
    started = time.monotonic()
    waiting = {one.key: one for one in requests if one.key not in store}
    every = {one.key: one for one in among or requests}
    shared = [one.prompt for one in every.values()]
    batch = answers_at_a_time(size, loaded, shared, greedy.max_new_tokens)
    asked = list(waiting.values()) if loaded.exact else _with_batches(waiting, list(every.values()), batch)
    with progress(f"generating ({loaded.manifest['name']})", len({one.key for one in requests}), "responses") as bar:

        def show_rate() -> None:
            bar.set_postfix_str(f"{_rate(decoder.work, started)} tokens/s", refresh=False)
            bar.update(0)

        decoder = Decoder(loaded, greedy, batch, show_rate)
        bar.update(bar.total - len(waiting))
        for index, found in decoder.answers([one.prompt for one in asked], shared):
            if asked[index].key in waiting:
                store.put({asked[index].key: asdict(found)})
                bar.update()
    answers = [Answer(**store[one.key]) for one in requests]
    ties = {one.example: found.near_ties for one, found in zip(requests, answers, strict=True) if found.near_ties}
    facts = {
        **loaded.facts,
        "generate_batch": batch,
        **({"generate_batch_halved_to": decoder.halving.most} if decoder.halving.most else {}),
        **asdict(decoder.work),
        "tokens_per_second": _rate(decoder.work, started),
        "near_ties": ties,
    }
    return AnsweredRequests(answers, facts)


def _with_batches(
    waiting: Mapping[str, GenerationRequest], every: Sequence[GenerationRequest], batch: int
) -> list[GenerationRequest]:
    """What is `waiting`, in whole batches of `every` request."""
    missing = {row for row, one in enumerate(every) if one.key in waiting}
    rows = whole_batches(batches([one.prompt for one in every], batch), missing)
    return [every[row] for together in rows for row in together]


def _rate(work: DecodingCounts, started: float) -> float:
    return round(work.new_tokens / (time.monotonic() - started), 2)
