"""Going on from given token ids, by the model in this process or by a server that this job starts."""

from collections.abc import Sequence
from pathlib import Path

from superficial.config.schema import Runtime, StartedEngine
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.requests import AnsweredRequests, GenerationRequest, answer_requests, open_store
from superficial.inference.generate.started import OwnServerEngine
from superficial.inference.server.own import OwnServer
from superficial.models.load import LoadedModel


def go_on(
    runtime: Runtime,
    loaded: LoadedModel,
    model: Path,
    greedy: GreedyDecoding,
    requests: Sequence[GenerationRequest],
    results: Path,
) -> AnsweredRequests:
    """Answers in the order of `requests`; `model` is the manifest of `loaded`.

    A server that somebody else started is not asked: it need not take token ids.
    """
    if not isinstance(runtime.engine, StartedEngine):
        return answer_requests(loaded, greedy, requests, runtime.generate_batch, open_store(loaded, greedy, results))
    own = OwnServer(runtime.engine, loaded, model, results, runtime.device)
    engine = OwnServerEngine(own, model, greedy, results)
    try:
        found = engine.go_on({one.key: one.prompt for one in requests})
        return AnsweredRequests([found[one.key] for one in requests], engine.facts())
    finally:
        engine.close()
