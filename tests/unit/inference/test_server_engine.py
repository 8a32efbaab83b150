"""The second engine: what it sends, and how it reads what comes back."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter
from support.faulty import Faulty
from support.tiny import END, make_model

from superficial.artifacts.errors import UserError
from superficial.config.schema import ModelConfig
from superficial.config.schema.server import EngineConfig, ServerEngine, TransformersEngine
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.remote import RemoteEngine
from superficial.inference.server import faults
from superficial.inference.server.answers import BESIDE, NEUTRAL, ServedAnswer, answer_prompts, finished
from superficial.inference.server.ledger import Ledger
from superficial.inference.server.reply import read_reply
from superficial.models.manifest import write_manifest
from superficial.prompts.builder import Prompt

ENGINES = Path(__file__).resolve().parents[3] / "config/engine"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


def engine(server: Faulty, **changes: object) -> ServerEngine:
    return ServerEngine.model_validate(
        {"kind": "openai_server", "base_url": server.base_url, "model": "m", "retries": 0, **changes}
    )


def test_base_models_complete_and_aligned_ones_chat(ledger: Ledger) -> None:
    seen: dict[str, dict[str, Any]] = {}
    chat = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
    with Faulty(before=lambda path, body: seen.update({path: body})) as server:
        answers = answer_prompts({"a": "text", "b": chat}, GreedyDecoding(7), engine(server), ledger)
    assert answers == {"a": ServedAnswer("answer to text", "eos"), "b": ServedAnswer("answer to hello", "eos")}
    common = {"model": "m", "temperature": 0, "max_tokens": 7} | NEUTRAL | BESIDE
    assert seen == {"/v1/completions": common | {"prompt": "text"}, "/v1/chat/completions": common | {"messages": chat}}


def test_a_server_with_the_template_is_told_what_the_method_says(ledger: Ledger) -> None:
    seen: list[dict[str, Any]] = []
    with Faulty(before=lambda path, body: seen.append(body)) as server:
        answer_prompts(
            {"b": [{"role": "user", "content": "hello"}]},
            GreedyDecoding(7),
            engine(server),
            ledger,
            {"enable_thinking": False},
        )
        answer_prompts({"a": "text"}, GreedyDecoding(7), engine(server), ledger, {"enable_thinking": False})
    assert [body.get("chat_template_kwargs") for body in seen] == [{"enable_thinking": False}, None]


@pytest.mark.parametrize(
    ("changes", "field"), [({}, {"repetition_penalty": 1.1}), ({"penalty_field": "frequency_penalty"}, {"frequency_penalty": 0.1})]
)  # fmt: skip
def test_the_repetition_penalty_as_the_server_names_it(
    changes: dict[str, str], field: dict[str, float], ledger: Ledger
) -> None:
    seen: list[dict[str, Any]] = []
    with Faulty(before=lambda path, body: seen.append(body)) as server:
        answer_prompts({"a": "text"}, GreedyDecoding(7, 1.1), engine(server, **changes), ledger)
    assert seen[0] == {"model": "m", "prompt": "text", "temperature": 0, "max_tokens": 7} | NEUTRAL | BESIDE | field


def test_only_what_changes_nothing_is_left_out_for_a_server_that_does_not_know_it(ledger: Ledger) -> None:
    """A neutral penalty may go. A penalty that the method has may not, nor may the temperature."""
    refused = {"max_tokens", "top_p", "repetition_penalty"}
    with Faulty(refuses=refused) as server:
        assert answer_prompts({"a": "text"}, GreedyDecoding(7), engine(server), ledger) == {
            "a": ServedAnswer("answer to text", "eos")
        }
        with pytest.raises(UserError, match="repetition_penalty"):
            answer_prompts({"a": "text"}, GreedyDecoding(7, 1.1), engine(server), ledger)
    with Faulty(refuses={"temperature"}) as server, pytest.raises(UserError, match="temperature"):
        answer_prompts({"b": "other"}, GreedyDecoding(7), engine(server), ledger)


@pytest.mark.parametrize(
    ("text", "reason", "met", "expected"),
    [
        # The stop text is left out of the answer, or kept, or the end token came first; or nobody says.
        ("Sure.\n", "stop", "```\n\n# Query:", ServedAnswer("Sure.", "stop")),
        ("Sure.\n```\n\n# Query:", "stop", "```\n\n# Query:", ServedAnswer("Sure.", "stop")),
        ("Sure.\n```\n\n# Query:", "stop", "unknown", ServedAnswer("Sure.", "stop")),
        ("Sure.", "stop", None, ServedAnswer("Sure.", "eos")),
        ("Sure.", "stop", 106, ServedAnswer("Sure.", "eos")),
        ("Sure.", "eos_token", "unknown", ServedAnswer("Sure.", "eos")),
        ("Sure.\n", "stop_sequence", "unknown", ServedAnswer("Sure.", "stop")),
        ("Sure.\n", "stop", "unknown", ServedAnswer("Sure.", "stop")),
        # A code block that was open at the stop text is closed by it.
        ("Code:\n```python\nx\n", "stop", "```\n\n# Query:", ServedAnswer("Code:\n```python\nx\n```", "stop")),
        ("Sure.\n```\n\nrest", "length", "unknown", ServedAnswer("Sure.", "stop")),
        ("Sure and", "length", "unknown", ServedAnswer("Sure and", "length")),
    ],
)
def test_why_and_where_an_answer_ended(text: str, reason: str, met: str | None, expected: ServedAnswer) -> None:
    choice = {"text": text, "finish_reason": reason} | ({} if met == "unknown" else {"stop_reason": met})
    assert finished(read_reply({"choices": [choice]}), GreedyDecoding(7, stop="fence")) == expected
    choice["matched_stop"] = choice.pop("stop_reason", "```\n\n# Query:")  # as SGLang names it
    assert finished(read_reply({"choices": [choice]}), GreedyDecoding(7, stop="fence")) == expected


def test_without_a_stop_rule_nothing_is_cut() -> None:
    text = "Sure.\n```\n\n# Query:"
    for reason, expected in (("stop", "eos"), ("length", "length")):
        reply = read_reply({"choices": [{"message": {"content": text}, "finish_reason": reason}]})
        assert finished(reply, GreedyDecoding(7)) == ServedAnswer(text, expected)


def test_the_stop_text_is_sent_for_the_fence_rule_only(ledger: Ledger) -> None:
    seen: list[dict[str, Any]] = []
    with Faulty(before=lambda path, body: seen.append(body)) as server:
        answer_prompts({"a": "text"}, GreedyDecoding(7, stop="fence"), engine(server), ledger)
    assert seen[0]["stop"] == ["```\n\n# Query:"]


@pytest.mark.fault("servers", "some answers are missing at the end", "one line; exit code 2; the others are kept")
def test_a_missing_answer_is_one_line_and_the_others_are_kept(ledger: Ledger) -> None:
    prompts = {f"i{n}": f"text {n}" for n in range(5)}
    with Faulty(["500"]) as server:
        with pytest.raises(UserError, match=r"1 of 5 answers are missing.*item i0.*status 500.*same command again"):
            answer_prompts(prompts, GreedyDecoding(7), engine(server, concurrency=1), ledger)
        assert len(answer_prompts(prompts, GreedyDecoding(7), engine(server), ledger)) == 5
    assert sum(server.asked.values()) == 6


@pytest.mark.parametrize("reason", ["null", "missing", "abort", "content_filter"])
@pytest.mark.fault("servers", "an answer is broken off", "handled: asked again, never kept")
def test_a_broken_off_answer_is_asked_for_again_and_never_kept(
    reason: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "FIRST_WAIT_S", 0.002)
    with Faulty([f"finish {reason}"] * 3) as server:
        with pytest.raises(UserError, match=r"1 of 1 answers are missing.*broken off \(finish_reason"):
            answer_prompts({"a": "text"}, GreedyDecoding(7), engine(server, retries=1), ledger)
        found = answer_prompts({"a": "text"}, GreedyDecoding(7), engine(server, retries=1), ledger)
    assert found == {"a": ServedAnswer("answer to text", "eos")}
    assert sum(server.asked.values()) == 4


@pytest.mark.fault("servers", "an answer holds half a character", "handled: U+FFFD stands in its place")
def test_half_a_surrogate_pair_can_be_written(ledger: Ledger) -> None:
    reply = read_reply({"choices": [{"text": "so \ud83d", "finish_reason": "stop"}]})
    assert finished(reply, GreedyDecoding(7)) == ServedAnswer("so \ufffd", "eos")
    assert read_reply({"choices": [{"text": "so \U0001f600"}]}).text == "so \U0001f600"


def test_an_answer_ends_with_the_token_that_ends_it_there(tmp_path: Path) -> None:
    """Of several end tokens: in a chat that of the template, in a completion the tokenizer's own."""
    model = make_model(tmp_path / "model", seed=1, chat=True)  # its end tokens: <eos>, and <|end|> of the template
    about = {"name": "tiny", "title": "T", "licence": "MIT", "source": {"kind": "local", "path": str(model)}}
    write_manifest(model / "manifest.json", ModelConfig.model_validate(about))
    prompts = {
        "chat": Prompt("", [], [], [{"role": "user", "content": "Hello?"}]),
        "text": Prompt("<bos>Hello", [], []),
    }
    with Faulty() as server:
        remote = RemoteEngine(engine(server), model / "manifest.json", GreedyDecoding(7), tmp_path)
        found = remote.answer(prompts)
    assert found["chat"].token_ids[-1] == END
    assert found["text"].token_ids[-1] == remote.tokenizer.eos_token_id != END
    assert [one.near_ties for one in found.values()] == [None, None]


def test_each_model_of_a_run_may_be_served_elsewhere() -> None:
    shared = ServerEngine.model_validate(
        {
            "kind": "openai_server", "base_url": "http://a/v1/", "model": "default", "concurrency": 3,
            "models": {"base": {"model": "org/base", "base_url": "http://b/v1"}},
        }
    )  # fmt: skip
    base, other = shared.serving("base"), shared.serving("other")
    assert (base.base_url, base.model, base.concurrency, base.models) == ("http://b/v1", "org/base", 3, {})
    assert (other.base_url, other.model) == ("http://a/v1", "default")


def test_the_engines_of_the_configuration_are_valid() -> None:
    kinds = {
        file.stem: TypeAdapter(EngineConfig).validate_python(yaml.safe_load(file.read_text()))
        for file in ENGINES.glob("*.yaml")
    }
    assert isinstance(kinds["transformers"], TransformersEngine)
    server = kinds["openai_server"]
    assert isinstance(server, ServerEngine)
    # Every key is written down, with the value that it has when it is not.
    spelt = yaml.safe_load((ENGINES / "openai_server.yaml").read_text())
    assert set(spelt) == set(ServerEngine.model_fields)
    given = {name: spelt[name] for name in ("kind", "base_url", "model")}
    assert ServerEngine.model_validate(given) == server
