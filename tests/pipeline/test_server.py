"""The client against `transformers serve`, a real OpenAI-compatible server, on a tiny model."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.faulty import Faulty
from support.killed import Watch, answers_in, kill_often
from support.serving import serve

from superficial.config.schema.server import ServerEngine
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.server.answers import answer_prompts
from superficial.inference.server.client import ask
from superficial.inference.server.ledger import Ledger
from superficial.inference.server.reply import Reply, ServerRequest

MISSING = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the test extra is not installed: no {', '.join(MISSING)}")


@dataclass(frozen=True)
class Served:
    """A running server and the folder of its model, which is also the model's name there."""

    base_url: str
    model: str

    def engine(self, base_url: str = "", **changes: object) -> ServerEngine:
        values = {"kind": "openai_server", "base_url": base_url or self.base_url, "model": self.model, "concurrency": 4}
        return ServerEngine.model_validate(values | {"penalty_field": "frequency_penalty"} | changes)


@pytest.fixture(scope="module")
def served(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    model = str(tiny_models / "aligned")
    with serve(tmp_path_factory.mktemp("served") / "log.txt", model) as url:
        yield Served(url, model)


def questions(served: Served, count: int) -> list[ServerRequest]:
    def body(number: int) -> dict[str, object]:
        messages = [{"role": "user", "content": f"How do I keep {number} plants alive?"}]
        return {"model": served.model, "messages": messages, "temperature": 0, "max_tokens": 4}

    return [ServerRequest(f"i{number}", body(number)) for number in range(count)]


def test_answers_are_those_of_the_model_itself(served: Served, tmp_path: Path) -> None:
    """Completions and chat, with repetition penalty: the text that transformers decodes in this process."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(served.model), AutoTokenizer.from_pretrained(served.model)
    chat = [{"role": "user", "content": "How do I keep a plant alive?"}]
    answers = answer_prompts(
        {"plain": "How do I keep", "chat": chat}, GreedyDecoding(12, 1.3), served.engine(), Ledger(tmp_path / "l.jsonl")
    )
    templated = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    ids = {
        "plain": tokenizer("How do I keep").input_ids,
        "chat": tokenizer(templated, add_special_tokens=False).input_ids,
    }
    for key, prompt in ids.items():
        made = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
            repetition_penalty=1.3, max_new_tokens=12, pad_token_id=0,
        )[0, len(prompt) :]  # fmt: skip
        assert answers[key].text == tokenizer.decode(made, skip_special_tokens=True)
        assert answers[key].finish_reason == ("length" if len(made) == 12 else "eos")


def test_a_faulty_proxy_changes_no_answer(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from superficial.inference.server import faults

    monkeypatch.setattr(faults, "FIRST_WAIT_S", 0.01)
    plan = ["429", "after 0.1", "500", "cut", "reset", "html", "empty", "schema", "huge", "bomb", "timeout", "trickle"]
    work = questions(served, 20)
    expected = ask(work, served.engine(), Ledger(tmp_path / "direct.jsonl"), who="judge j")
    with Faulty([word for fault in plan for word in (fault, "")], upstream=served.base_url) as proxy:
        cfg = served.engine(proxy.base_url, timeout_s=2.0)
        replies = ask(work, cfg, Ledger(tmp_path / "proxied.jsonl"), who="judge j")
    assert texts(replies) == texts(expected)
    assert set(proxy.delivered.values()) == {1}
    assert sum(proxy.asked.values()) == 20 + len(plan)


def texts(replies: dict[str, object]) -> dict[str, tuple[str, str]]:
    assert all(isinstance(reply, Reply) for reply in replies.values()), replies
    return {item: (reply.text, reply.finish_reason) for item, reply in replies.items() if isinstance(reply, Reply)}


def test_killed_twenty_times_ends_like_an_undisturbed_run(served: Served, tmp_path: Path) -> None:
    work = questions(served, 120)
    undisturbed, killed = tmp_path / "undisturbed.jsonl", tmp_path / "killed.jsonl"
    watch = Watch(killed)
    expected = ask(work, served.engine(), Ledger(undisturbed), who="judge j")
    with Faulty(upstream=served.base_url, before=watch) as proxy:
        watch.cfg = served.engine(proxy.base_url)
        assert kill_often(watch.cfg, killed, work, proxy, times=20, seed=11, stride=10) >= 15
        assert 0 < len(answers_in(killed)) < len(work)
        assert texts(ask(work, watch.cfg, Ledger(killed), who="judge j")) == texts(expected)
    assert answers_in(killed) == answers_in(undisturbed)
    assert watch.asked_though_stored == []
    # What a kill may repeat is what was under way, and no more.
    assert sum(proxy.asked.values()) <= len(work) + 20 * watch.cfg.concurrency
