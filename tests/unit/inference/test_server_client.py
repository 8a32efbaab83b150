"""The client against a real HTTP server that misbehaves."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.faulty import Faulty

from superficial.artifacts.errors import UserError
from superficial.config.schema.server import ServerConfig
from superficial.inference.server import client, faults
from superficial.inference.server.client import ask
from superficial.inference.server.ledger import Ledger, open_ledger
from superficial.inference.server.reply import Failure, Reply, ServerRequest

KEY = "sk-never-to-be-written-4711"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FIRST_WAIT_S", 0.002)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


def config(server: Faulty, **changes: object) -> ServerConfig:
    values = {"base_url": server.base_url, "model": "m", "timeout_s": 10, "concurrency": 4, "retries": 3, **changes}
    return ServerConfig.model_validate(values)


def requests(count: int) -> list[ServerRequest]:
    return [
        ServerRequest(f"i{n}", {"model": "m", "prompt": f"question {n}", "temperature": 0, "max_tokens": 8})
        for n in range(count)
    ]


def texts(replies: dict[str, Reply | Failure]) -> dict[str, str]:
    assert all(isinstance(reply, Reply) for reply in replies.values()), replies
    return {item: reply.text for item, reply in replies.items() if isinstance(reply, Reply)}


EXPECTED = {f"i{n}": f"answer to question {n}" for n in range(12)}
PASSING = [
    "429", "after 0.05", "date 1", "500", "503", "408", "timeout", "trickle", "cut", "reset", "html", "empty", "schema",
    "nested", "error200", "huge", "bomb",
]  # fmt: skip
SLOW = ("timeout", "trickle")


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.fault("servers", PASSING, "handled: asked again; no answer is lost, none is paid for twice")
def test_a_passing_fault_loses_no_answer_and_repeats_none(fault: str, ledger: Ledger) -> None:
    with Faulty([fault, "", fault]) as server:
        # Long enough that a busy machine does not time out by itself.
        cfg = config(server, timeout_s=1.5 if fault in SLOW else 10)
        assert texts(ask(requests(12), cfg, ledger, who="judge j")) == EXPECTED
        assert sum(server.asked.values()) == 12 + 2
        assert set(server.delivered.values()) == {1}
        assert texts(ask(requests(12), cfg, ledger, who="judge j")) == EXPECTED
        assert sum(server.asked.values()) == 14


@pytest.mark.parametrize("fault", [fault for fault in PASSING if fault.split()[0] not in ("429", "after", "date")])
@pytest.mark.fault(
    "servers", "one request fails every time", "one line that names endpoint and item; the other answers are kept"
)
def test_a_lasting_fault_is_a_failure_that_names_judge_endpoint_and_item(fault: str, ledger: Ledger) -> None:
    with Faulty([fault] * 3) as server:
        cfg = config(server, retries=2, timeout_s=0.5 if fault in SLOW else 10)
        failed = ask(requests(1), cfg, ledger, who="judge j")["i0"]
        assert isinstance(failed, Failure)
        for part in ("judge j", server.base_url, "item i0", "3 tries"):
            assert part in failed.reason
        assert len(failed.reason) < 500
        assert sum(server.asked.values()) == 3
        # A failure is not stored: the next run asks again.
        assert texts(ask(requests(1), config(server), ledger, who="judge j")) == {"i0": EXPECTED["i0"]}


def test_one_failing_item_does_not_take_the_others_with_it(ledger: Ledger) -> None:
    with Faulty(["400"]) as server:
        replies = ask(requests(12), config(server, concurrency=1), ledger, who="judge j")
    failed = {item: reply for item, reply in replies.items() if isinstance(reply, Failure)}
    assert list(failed) == ["i0"]
    assert "refused: status 400" in failed["i0"].reason
    assert sum(server.asked.values()) == 12  # a refusal is not tried again


@pytest.mark.parametrize(
    ("fault", "said"),
    [("401", "export OPENAI_API_KEY"), ("403", "refuses the key"), ("404", "no model 'm'"), ("302", "redirects"),
     ("429 insufficient_quota", "quota")],
)  # fmt: skip
@pytest.mark.fault("servers", "the key is missing or wrong (401)", "one line; exit code 2; answers so far are kept")
@pytest.mark.fault("servers", "the key is refused (403)", "one line; exit code 2; answers so far are kept")
@pytest.mark.fault("servers", "the model is not there (404)", "one line; exit code 2; answers so far are kept")
@pytest.mark.fault("servers", "the endpoint moved (302)", "one line; exit code 2; answers so far are kept")
@pytest.mark.fault("servers", "the quota is used up (429)", "one line; exit code 2; answers so far are kept")
def test_a_fault_of_the_whole_server_is_one_line(fault: str, said: str, ledger: Ledger) -> None:
    with Faulty(["", "", fault]) as server:
        with pytest.raises(UserError) as error:
            ask(requests(12), config(server, concurrency=1), ledger, who="judge j")
        line = str(error.value)
        assert said in line
        assert server.base_url in line
        assert "\n" not in line
        assert KEY not in line
        assert sum(server.asked.values()) == 3
        # What was answered before is kept, and the run goes on from there.
        assert texts(ask(requests(12), config(server), ledger, who="judge j")) == EXPECTED
        assert sum(server.asked.values()) == 13


@pytest.mark.fault("servers", "nothing listens there", "one line that names the address; exit code 2")
def test_nothing_listens(ledger: Ledger) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    cfg = ServerConfig(base_url=url, model="m")
    with pytest.raises(UserError, match=f"judge j, {url}: cannot connect.*start the server"):
        ask(requests(3), cfg, ledger, who="judge j")


@pytest.mark.fault("servers", "nothing that comes back is usable", "given up after 20 in a row: one line; exit code 2")
def test_a_server_that_answers_nothing_usable_is_given_up(ledger: Ledger) -> None:
    with Faulty(["html"] * 1000) as server, pytest.raises(UserError, match="20 requests failed in a row"):
        ask(requests(100), config(server, retries=1), ledger, who="judge j")
    assert sum(server.asked.values()) <= 2 * (client.HOPELESS + 4)


@pytest.mark.fault("servers", "many requests are refused", "handled: these fail, the others are answered")
def test_a_server_that_refuses_many_requests_is_not_given_up(ledger: Ledger) -> None:
    with Faulty(["400"] * 30) as server:
        replies = ask(requests(31), config(server, concurrency=1), ledger, who="judge j")
    assert sum(isinstance(reply, Failure) for reply in replies.values()) == 30
    assert sum(server.asked.values()) == 31


def test_a_rate_limit_holds_every_worker_and_for_as_long_as_asked(ledger: Ledger) -> None:
    # Answers take their time, the refusal none: it is heard before any worker is free again.
    with Faulty(["after 1"], delay_s=0.5) as server:
        assert texts(ask(requests(12), config(server, timeout_s=5), ledger, who="judge j")) == EXPECTED
    first = server.times[0]
    # Only what was under way already may come before the time is over.
    assert sum(at < first + 1 for at in server.times) <= 4


@pytest.mark.fault(
    "servers", "a rate limit lasts longer than max_wait_s", "one line; exit code 2; answers so far are kept"
)
def test_a_rate_limit_that_lasts_too_long_ends_the_run(ledger: Ledger) -> None:
    with Faulty(["after 3600"]) as server, pytest.raises(UserError, match="max_wait_s=600"):
        ask(requests(3), config(server, concurrency=1), ledger, who="judge j")


def test_rate_limits_do_not_use_up_the_tries(ledger: Ledger) -> None:
    with Faulty(["429"] * 9) as server:
        assert texts(ask(requests(1), config(server, retries=0), ledger, who="judge j")) == {"i0": EXPECTED["i0"]}


def test_equal_requests_are_asked_once(ledger: Ledger) -> None:
    same = [ServerRequest(f"copy{n}", requests(1)[0].body) for n in range(8)]
    with Faulty(delay_s=0.02) as server:
        replies = texts(ask(same, config(server), ledger, who="judge j"))
    assert replies == {f"copy{n}": EXPECTED["i0"] for n in range(8)}
    assert sum(server.asked.values()) == 1


def test_concurrency_is_bounded_and_used(ledger: Ledger) -> None:
    with Faulty(delay_s=0.03) as server:
        ask(requests(12), config(server, concurrency=3), ledger, who="judge j")
    assert server.most_running == 3


def test_model_and_revision_key_the_answers_and_the_address_does_not(tmp_path: Path) -> None:
    with Faulty() as one, Faulty() as two:
        for server, revision in ((one, "a"), (two, "a"), (two, "b")):
            cfg = config(server, revision=revision)
            ask(requests(2), cfg, open_ledger(cfg, tmp_path), who="judge j")
    assert (sum(one.asked.values()), sum(two.asked.values())) == (2, 2)


def test_the_key_is_sent_and_stands_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with Faulty(["500", "echo", "400", "401 x"]) as server:
        said = []
        for n in range(3):
            try:
                cfg = config(server, concurrency=1, retries=1)
                said.append(repr(ask([requests(3)[n]], cfg, ledger, who="judge j")))
            except UserError as error:
                said.append(str(error))
    assert server.keys == {f"Bearer {KEY}"}
    assert "your header is Bearer [key]" in said[0]
    assert "seen Bearer [key]" in said[1]
    assert "refuses the key" in said[2]
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"your header is" in written
    assert KEY.encode() not in written
    out, err = capfd.readouterr()
    assert KEY not in out + err + "".join(said) + repr(cfg)


def test_no_key_no_trouble(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with Faulty() as server:
        assert texts(ask(requests(1), config(server), ledger, who="judge j")) == {"i0": EXPECTED["i0"]}


@pytest.mark.fault("servers", "the key holds letters that no header can", "one line that does not show it; exit code 2")
def test_a_broken_key_is_not_shown(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-with\na-line-break-in-it")
    with Faulty() as server, pytest.raises(UserError, match=r"key in \$OPENAI_API_KEY") as error:
        ask(requests(1), config(server), ledger, who="judge j")
    assert "line-break" not in str(error.value)


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://x/v1", "https://user:pw@host/v1", "https://h/v1?key=a"])
@pytest.mark.fault(
    "servers",
    "the address holds a user, key or query, or is none",
    "one line that names the key of the configuration; exit code 2",
)
def test_the_address_holds_no_secret(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        ServerConfig(base_url=url, model="m")


def test_chat_and_completions_and_a_null_content(ledger: Ledger) -> None:
    chat = ServerRequest("c", {"model": "m", "messages": [{"role": "user", "content": "hello"}]})
    with Faulty() as server:
        assert texts(ask([chat, *requests(1)], config(server), ledger, who="j")) == {
            "c": "answer to hello", "i0": EXPECTED["i0"],
        }  # fmt: skip


@pytest.mark.fault(
    "servers", "Ctrl-C while requests are under way", "what was answered is kept and not asked for again"
)
def test_interrupting_a_run_keeps_what_was_answered(tmp_path: Path) -> None:
    """Ctrl-C: the requests under way are waited for, the rest is not asked."""
    path = tmp_path / "ledger.jsonl"
    with Faulty(delay_s=0.05) as server:
        script = (
            "import sys, json; sys.path.insert(0, sys.argv[1])\n"
            "from pathlib import Path\n"
            "from superficial.config.schema.server import ServerConfig\n"
            "from superficial.inference.server.client import ask\n"
            "from superficial.inference.server.ledger import Ledger\n"
            "from superficial.inference.server.reply import ServerRequest\n"
            "body = lambda n: {'model': 'm', 'prompt': f'question {n}', 'max_tokens': 8}\n"
            "ask([ServerRequest(f'i{n}', body(n)) for n in range(400)],"
            " ServerConfig(base_url=sys.argv[2], model='m', concurrency=4), Ledger(Path(sys.argv[3])), who='j')\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(Path(__file__).parent), server.base_url, str(path)],
            stderr=subprocess.DEVNULL,
        )
        while sum(server.delivered.values()) < 8:
            time.sleep(0.02)
            assert process.poll() is None
        process.send_signal(2)
        process.wait(timeout=20)
        delivered = sum(server.delivered.values())
    lines = [json.loads(line) for line in path.read_text().splitlines() if line]
    assert sum("answered" in line for line in lines) == delivered < 400
