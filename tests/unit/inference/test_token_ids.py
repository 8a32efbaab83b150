"""Token ids in and out: a server that takes and tells them answers as the model in this process does."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.behind import Behind, command
from support.tiny import END, make_model

from superficial.artifacts.errors import UserError
from superficial.config.schema import ModelConfig
from superficial.config.schema.server import ServerEngine, StartedConfig
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.engine import LocalEngine
from superficial.inference.generate.remote import RemoteEngine
from superficial.inference.generate.replay import replay
from superficial.inference.generate.started import OwnServerEngine
from superficial.inference.server.own import OwnServer
from superficial.models.load import LoadedModel, load_model
from superficial.models.manifest import write_manifest
from superficial.prompts.builder import Prompt

TEXTS = {f"i{n}": "How do I keep plants alive? " * (n + 1) for n in range(6)}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_model(tmp_path_factory.mktemp("models") / "tiny", seed=3, chat=True)
    about = {"name": "tiny", "title": "T", "licence": "MIT", "source": {"kind": "local", "path": str(folder)}}
    write_manifest(folder / "manifest.json", ModelConfig.model_validate(about))
    return folder / "manifest.json"


@pytest.fixture(scope="module")
def model(manifest: Path) -> LoadedModel:
    return load_model(manifest, "cpu")


def prompts(model: LoadedModel) -> dict[str, Prompt]:
    return {key: Prompt(f"<bos>{text}", list(model.tokenizer(text).input_ids), []) for key, text in TEXTS.items()}


def here(model: LoadedModel, greedy: GreedyDecoding, results: Path) -> dict[str, tuple[object, ...]]:
    return seen(LocalEngine(model, greedy, 4, results).answer(prompts(model)))


def seen(answers: dict[str, Answer]) -> dict[str, tuple[object, ...]]:
    return {key: (one.token_ids, one.text, one.finish_reason) for key, one in answers.items()}


def remote(backend: Behind, manifest: Path, greedy: GreedyDecoding, results: Path, **changes: object) -> RemoteEngine:
    values = {"kind": "openai_server", "base_url": f"{backend.url}/v1", "model": str(manifest.parent), "retries": 0}
    return RemoteEngine(ServerEngine.model_validate(values | changes), manifest, greedy, results)


@pytest.fixture
def own(manifest: Path, model: LoadedModel, tmp_path: Path) -> Iterator[object]:
    """Makes engines that start their own server."""
    made: list[OwnServerEngine] = []

    def make(backend: Behind, greedy: GreedyDecoding, *more: str, **environment: str) -> OwnServerEngine:
        values = {"python": sys.executable, "packages": ["pytest"], "command": command(backend, *more)}
        values |= {"environment": {"VLLM_API_KEY": "{key}"} | environment, "concurrency": 1}
        cfg = StartedConfig.model_validate(values)
        results = tmp_path / "results"
        made.append(OwnServerEngine(OwnServer(cfg, model, manifest, results, "cpu"), manifest, greedy, results))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.mark.parametrize("greedy", [GreedyDecoding(20), GreedyDecoding(20, 1.3)], ids=["plain", "penalty"])
def test_ids_in_and_out_are_those_of_the_model_here(
    greedy: GreedyDecoding, manifest: Path, model: LoadedModel, tmp_path: Path
) -> None:
    """A random model writes what no tokenizer splits as it was decoded: text could not give these ids."""
    with Behind() as backend:
        engine = remote(backend, manifest, greedy, tmp_path / "a")
        found = engine.answer(prompts(model))
    assert seen(found) == here(model, greedy, tmp_path / "b")
    assert {one.near_ties for one in found.values()} == {None}
    assert sorted(body["prompt"] for body in backend.answers) == sorted(one.ids for one in prompts(model).values())
    assert engine.facts()["token_ids"] == "told by the server"


def test_every_field_of_sampling_is_sent(manifest: Path, model: LoadedModel, tmp_path: Path) -> None:
    with Behind() as backend:
        remote(backend, manifest, GreedyDecoding(20), tmp_path).answer(prompts(model))
    neutral = {"temperature": 0, "top_p": 1, "top_k": -1, "min_p": 0, "seed": 0, "repetition_penalty": 1.0}
    neutral |= {"presence_penalty": 0, "frequency_penalty": 0, "max_tokens": 20, "return_token_ids": True}
    assert all(body.items() >= neutral.items() for body in backend.answers)


def test_what_the_server_does_is_found_out_once(manifest: Path, model: LoadedModel, tmp_path: Path) -> None:
    """The second run asks nothing at all; further prompts ask only for themselves."""
    with Behind() as backend:
        for _ in range(2):
            remote(backend, manifest, GreedyDecoding(20, 1.3), tmp_path).answer(prompts(model))
        assert len(backend.asked) == 2 + 2 + len(TEXTS)
        more = {"new": Prompt("", [0, 7, 8, 9], [])}
        remote(backend, manifest, GreedyDecoding(20, 1.3), tmp_path).answer(more)
        assert len(backend.asked) == 2 + 2 + len(TEXTS) + 1


def test_a_server_of_texts_is_asked_by_text(manifest: Path, model: LoadedModel, tmp_path: Path) -> None:
    with Behind(text=True) as backend:
        engine = remote(backend, manifest, GreedyDecoding(20), tmp_path / "a")
        found = engine.answer(prompts(model))
    assert sorted(body["prompt"] for body in backend.answers) == sorted(TEXTS.values())
    local = here(model, GreedyDecoding(20), tmp_path / "b")
    assert {key: one.finish_reason for key, one in found.items()} == {key: one[2] for key, one in local.items()}
    assert engine.facts()["token_ids"] == "the tokenizer's, for the server's text"


def test_another_tokenizer_is_refused(manifest: Path, model: LoadedModel, tmp_path: Path) -> None:
    with Behind(other=True) as backend, pytest.raises(UserError, match="tokenizer is not the model's"):
        remote(backend, manifest, GreedyDecoding(20), tmp_path).answer(prompts(model))
    assert backend.answers == []


def test_a_penalty_that_is_ignored_is_told_from_one_that_is_obeyed(
    manifest: Path, model: LoadedModel, tmp_path: Path
) -> None:
    with Behind(ignores=("repetition_penalty",)) as backend:
        remote(backend, manifest, GreedyDecoding(20), tmp_path).answer(prompts(model))  # it has none to ignore
        with pytest.raises(UserError, match=r"takes repetition_penalty and ignores it \| remedy: .*penalty_field"):
            remote(backend, manifest, GreedyDecoding(20, 1.3), tmp_path).answer(prompts(model))


def test_the_cut_is_ours(manifest: Path, model: LoadedModel, tmp_path: Path) -> None:
    """The stop text ends an answer early; where our rule does not, as in a code block, the rest is asked for."""
    plain = here(model, GreedyDecoding(40), tmp_path / "plain")
    word = next(one[1][10:12] for one in plain.values() if "\n" not in one[1] and len(one[1]) > 30)
    greedy = GreedyDecoding(40, stop=word)
    with Behind() as backend:
        found = remote(backend, manifest, greedy, tmp_path / "a").answer(prompts(model))
    assert seen(found) == here(model, greedy, tmp_path / "b")


def test_ids_are_read_to_the_end_that_decides(model: LoadedModel) -> None:
    assert replay(model, GreedyDecoding(3), [7, 8]) is None
    assert replay(model, GreedyDecoding(3), [7, 8, 9, 10]).token_ids == [7, 8, 9]
    ended = replay(model, GreedyDecoding(9), [7, END, 8])
    assert ended is not None
    assert (ended.token_ids, ended.finish_reason, ended.near_ties) == ([7, END], "eos", None)


def test_a_server_of_our_own(own: object, model: LoadedModel, tmp_path: Path) -> None:
    """It is started for what is missing, again for longer sequences, and not at all for what is known."""
    greedy = GreedyDecoding(20)
    with Behind() as backend:
        engine = own(backend, greedy)
        assert engine.answer({}) == {}
        assert engine.own.started is None
        assert seen(engine.answer(prompts(model))) == here(model, greedy, tmp_path / "b")
        first = engine.own.started
        longer = engine.go_on({"long": list(range(5, 305)) * 2})
        assert len(longer["long"].token_ids) == 20
        assert engine.own.started is not first
        asked = len(backend.asked)
        again = own(backend, greedy)
        assert seen(again.answer(prompts(model))) == here(model, greedy, tmp_path / "b")
        assert again.own.started is None
        assert len(backend.asked) == asked
    assert engine.facts()["engine"] == f"pytest {pytest.__version__}"


def test_a_server_that_dies_under_way_is_one_line_with_the_cause(own: object, model: LoadedModel) -> None:
    with Behind() as backend:
        engine = own(backend, GreedyDecoding(20), DIE_AFTER="4")
        with pytest.raises(UserError, match=r"died under way.*OutOfMemoryError: CUDA out of memory.*larger cards"):
            engine.answer(prompts(model))
        kept = own(backend, GreedyDecoding(20))
        asked = len(backend.asked)
        kept.answer(prompts(model))
        assert len(backend.asked) - asked == len(TEXTS) - 2  # two found out what it does, two were answers


def test_another_engine_asks_again(own: object, model: LoadedModel) -> None:
    """Another command may decide other answers, and so may another version."""
    with Behind() as backend:
        own(backend, GreedyDecoding(20)).answer(prompts(model))
        asked = len(backend.asked)
        own(backend, GreedyDecoding(20), "--child", "''").answer(prompts(model))
        assert len(backend.asked) == 2 * asked


def test_who_takes_no_ids_cannot_go_on_from_them(own: object) -> None:
    with Behind(text=True) as backend, pytest.raises(UserError, match="takes no token ids"):
        own(backend, GreedyDecoding(20)).go_on({"a": [5, 6, 7]})
