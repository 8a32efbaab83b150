"""A judge behind a server: one repair, then unscored; nothing twice; reasons name judge, endpoint and item."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from superficial.artifacts.errors import UserError
from superficial.config.schema import Runtime
from superficial.config.schema.judge import JudgeStage, ServerJudge
from superficial.inference.server.ledger import open_ledger
from superficial.judging.judges.aspects import ASPECTS
from superficial.judging.judges.item import Item
from superficial.judging.judges.served import ServedJudge, answer_schema
from superficial.judging.judges.stage import run
from superficial.pipeline.checks import require_other

ROOT = Path(__file__).resolve().parents[3] / "resources/judging"
FILES = {name: str(ROOT / f"{name}.txt") for name in ("regular", "safety", "pairwise_regular", "pairwise_safety")}
GOOD = {aspect: {"reason": f"on {aspect}", "score": "4"} for aspect in ASPECTS["regular"]}
ITEM = Item("demo-1", "regular", {"instruction": "Why?", "response": "So."})


class Endpoint(ThreadingHTTPServer):
    """Answers chat completions with `say(body)`, a dictionary as an error with status 400; keeps the bodies."""

    def __init__(self, say: Callable[[dict[str, Any]], str | dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.say, self.bodies = say, list[dict[str, Any]]()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        said = self.server.say(body)
        self.send_response(400 if said == "refuse" or isinstance(said, dict) else 200)
        self.end_headers()
        if isinstance(said, dict):
            self.wfile.write(json.dumps({"error": said}).encode())
            return
        message = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        self.wfile.write(
            json.dumps({"choices": [message], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}).encode()
        )


@pytest.fixture
def endpoint() -> Iterator[Callable[[Callable[[dict[str, Any]], str]], Endpoint]]:
    made: list[Endpoint] = []

    def make(say: Callable[[dict[str, Any]], str]) -> Endpoint:
        made.append(Endpoint(say))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()


def configured(server: Endpoint, **more: Any) -> ServerJudge:
    values = {"name": "served", "title": "served", "kind": "openai", "model": "m", "retries": 0, "max_tokens": 50,
              "base_url": f"http://127.0.0.1:{server.server_address[1]}/v1", "prompt_files": FILES,
              "repair": str(ROOT / "repair.txt")} | more  # fmt: skip
    return ServerJudge.model_validate(values)


def judge(server: Endpoint, results: Path, **more: Any) -> ServedJudge:
    cfg = configured(server, **more)
    return ServedJudge(cfg, cfg, open_ledger(cfg, results))


def test_a_readable_answer_is_asked_for_once_and_never_again(endpoint: Any, tmp_path: Path):
    server = endpoint(lambda body: json.dumps(GOOD))
    first = judge(server, tmp_path).scores([ITEM])
    again = judge(server, tmp_path, max_requests=1).scores([ITEM])
    assert first == again
    assert len(server.bodies) == 1
    assert {one.said.score for one in first.values()} == {4}
    (message,) = server.bodies[0]["messages"]
    assert "<response>\nSo.\n</response>" in message["content"]
    assert server.bodies[0]["temperature"] == 0


def test_one_repair_and_then_unscored(endpoint: Any, tmp_path: Path):
    """What is no JSON is asked for again once, with what was said; N/A is an answer and is not."""
    mended = endpoint(lambda body: json.dumps(GOOD) if len(body["messages"]) == 3 else "I give it a 4.")
    found = judge(mended, tmp_path / "a").scores([ITEM])
    assert {one.said.score for one in found.values()} == {4}
    assert len(mended.bodies) == 2
    assert mended.bodies[1]["messages"][1]["content"] == "I give it a 4."
    stubborn = endpoint(lambda body: "I give it a 4.")
    found = judge(stubborn, tmp_path / "b").scores([ITEM])
    assert len(stubborn.bodies) == 2
    assert all(one.said.unscored for one in found.values())
    modest = endpoint(lambda body: json.dumps(GOOD | {"factuality": {"reason": "no facts", "score": "N/A"}}))
    found = judge(modest, tmp_path / "c").scores([ITEM])
    assert len(modest.bodies) == 1
    assert found["demo-1", "factuality"].said.unscored == "the judge said N/A"


def test_a_repair_never_overrules_what_could_be_read(endpoint: Any, tmp_path: Path):
    worse = {aspect: {"reason": "changed my mind", "score": "1"} for aspect in GOOD}
    part = {aspect: GOOD[aspect] for aspect in list(GOOD)[:3]}
    server = endpoint(lambda body: json.dumps(worse if len(body["messages"]) == 3 else part))
    found = judge(server, tmp_path).scores([ITEM])
    assert [found["demo-1", aspect].said.score for aspect in GOOD] == [4, 4, 4, 1, 1]


@pytest.mark.fault("judges", "a server gives no answer", "unscored, with the reason")
def test_no_answer_is_unscored_and_says_who_where_and_what(endpoint: Any, tmp_path: Path):
    server = endpoint(lambda body: "refuse" if "Which" in body["messages"][0]["content"] else json.dumps(GOOD))
    other = Item("demo-2", "regular", {"instruction": "Which?", "response": "That."})
    found = judge(server, tmp_path).scores([ITEM, other])
    assert found["demo-1", "depth"].said.score == 4
    why = found["demo-2", "depth"].said.unscored
    assert "judge served" in why
    assert str(server.server_address[1]) in why
    assert "item demo-2" in why
    empty = endpoint(lambda body: "")
    assert judge(empty, tmp_path / "e").scores([ITEM])["demo-1", "depth"].said.unscored == "an empty answer"
    assert len(empty.bodies) == 1


def test_asking_again_is_another_request_of_the_same_prompt(endpoint: Any, tmp_path: Path):
    server = endpoint(lambda body: json.dumps(GOOD))
    again = Item("demo-1#again", "regular", ITEM.slots, repeat=1)
    judge(server, tmp_path).scores([ITEM, again])
    prompts = {body["messages"][0]["content"] for body in server.bodies}
    assert len(server.bodies) == 2
    assert len(prompts) == 1


def test_of_the_causal_test_every_text_is_asked_once_and_a_further_variant_for_its_own(endpoint: Any, tmp_path: Path):
    """One table is data and responses; what was judged elsewhere, or equals another variant, is known already."""
    server = endpoint(lambda body: "refuse" if "Never." in str(body) else json.dumps(GOOD))
    results, causal = tmp_path / "results", tmp_path / "causal.parquet"
    judge(server, results).scores([replace(ITEM, slots={"instruction": "Why?", "response": "Sure."})])
    cfg = configured(server)
    runtime = Runtime(device="cpu", generate_batch=1, score_tokens=1, position_chunk=1, judges={cfg.name: cfg})
    out, texts, asked = results / "judgments/d/served/p/c.swapped.parquet", {}, []
    for more in (
        {"none": "So.", "shifted": "Sure.", "all": "Sure."},
        {"first_2": "Sure so."},
        {"first_5": "Never."},
        {"reverse": "So."},
    ):
        texts |= more
        rows = [
            {"id": f"e#{name}", "instruction": "Why?", "category": "regular", "text": text}
            for name, text in texts.items()
        ]
        pd.DataFrame(rows).to_parquet(causal)
        before = len(server.bodies)
        run(JudgeStage(judge=cfg, system="p.swapped"), runtime, data=causal, responses=causal, model=[], out=out)
        asked.append(len(server.bodies) - before)
    assert asked == [1, 1, 1, 1]  # the last time for what was refused: that is no answer
    table = pd.read_parquet(out).set_index("id")
    assert table.loc["e#all", "score"].tolist() == table.loc["e#shifted", "score"].tolist() == [4] * 5
    assert table.loc["e#first_5", "score"].isna().all()
    assert (table.loc["e#first_5", "unscored"] != "").all()


def test_a_structured_answer_follows_a_schema_that_only_fitting_answers_meet(endpoint: Any, tmp_path: Path):
    server = endpoint(lambda body: json.dumps(GOOD))
    judge(server, tmp_path, structured=True).scores([ITEM])
    schema = server.bodies[0]["response_format"]["json_schema"]["schema"]
    jsonschema.validate(GOOD, schema)
    for bad in (
        {},
        GOOD | {"depth": {"reason": "r", "score": "6"}},
        GOOD | {"more": 1},
        GOOD | {"depth": {"score": "1"}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
    both = answer_schema(("depth",), paired=True)
    jsonschema.validate({"depth": {"reason": "r", "better": "tie"}}, both)


def test_no_model_judges_itself_unasked(endpoint: Any, tmp_path: Path):
    cfg = ServerJudge.model_validate(
        {"name": "j", "title": "J", "kind": "openai", "model": "org/My-Model", "max_tokens": 9, "repair": "r",
         "base_url": "http://x/v1", "prompt_files": FILES}
    )  # fmt: skip
    require_other(cfg, {"another": ["another", "Another 7B", "org/another"]})
    with pytest.raises(UserError, match="allow_self"):
        require_other(cfg, {"mine": ["mine", "my_model"]})
    require_other(cfg.model_copy(update={"allow_self": True}), {"mine": ["mine", "my_model"]})


def refusing(*parameters: str) -> Callable[[dict[str, Any]], str | dict[str, Any]]:
    """A server that refuses these parameters one after the other, each in its own words."""
    words = [
        {"message": "Unsupported parameter.", "code": "unsupported_parameter"},
        {"message": "Unsupported value: '{}' does not support 0 with this model.", "param": None},
    ]

    def say(body: dict[str, Any]) -> str | dict[str, Any]:
        for at, name in enumerate(parameters):
            if name in body:
                error = dict(words[at % 2])
                return error | ({"param": name} if at % 2 == 0 else {"message": error["message"].format(name)})
        return json.dumps(GOOD)

    return say


def items(number: int) -> list[Item]:
    return [Item(f"demo-{at}", "regular", {"instruction": f"Why {at}?", "response": "So."}) for at in range(number)]


def test_what_a_server_does_not_take_is_learned_once(endpoint: Any, tmp_path: Path):
    server = endpoint(refusing("max_tokens", "temperature", "response_format"))
    made = judge(server, tmp_path, structured=True, concurrency=1)
    found = made.scores(items(5))
    assert {one.said.score for one in found.values()} == {4}
    assert len(server.bodies) == 5 + 3  # one refusal a parameter
    last = server.bodies[-1]
    assert last["max_completion_tokens"] == 50
    assert not {"max_tokens", "temperature", "response_format"} & last.keys()
    judge(server, tmp_path, structured=True).scores(items(6))  # another run
    assert len(server.bodies) == 5 + 3 + 1


def test_many_workers_learn_a_parameter_once(endpoint: Any, tmp_path: Path):
    server = endpoint(refusing("max_tokens", "temperature"))
    judge(server, tmp_path, concurrency=8).scores(items(24))
    ledger = (tmp_path / ".requests").glob("*.jsonl")
    assert sorted(line["learned"] for line in lines(next(ledger)) if "learned" in line) == ["max_tokens", "temperature"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.mark.fault("judges", "a server refuses every request", "one line; exit code 2")
def test_when_everything_is_refused_the_job_says_so(endpoint: Any, tmp_path: Path):
    server = endpoint(lambda body: {"message": "this account may not use m", "code": "model_not_allowed"})
    with pytest.raises(
        UserError, match=r"all 4 requests are refused for one reason.*this account may not use m"
    ) as error:
        judge(server, tmp_path).scores(items(4))
    assert "config/judge/served.yaml" in str(error.value)


@pytest.mark.fault("judges", "a filter refuses some texts", "these are unscored, with the reason")
def test_texts_that_a_filter_refuses_are_unscored(endpoint: Any, tmp_path: Path):
    server = endpoint(lambda body: {"message": "filtered", "code": "content_filter"})
    found = judge(server, tmp_path).scores(items(2))
    assert all("filtered" in one.said.unscored for one in found.values())
