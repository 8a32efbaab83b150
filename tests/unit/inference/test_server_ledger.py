"""The ledger and its claims: several jobs at once, and kill -9 at any moment."""

import json
import os
import threading
from pathlib import Path

import pytest
from support.faulty import Faulty
from support.killed import Watch, answers_in, kill_often, start

from superficial.artifacts.errors import UserError
from superficial.config.schema.server import ServerConfig
from superficial.inference.server.client import ask
from superficial.inference.server.ledger import Ledger
from superficial.inference.server.reply import Reply, ServerRequest

KEYS = [f"{n:064x}" for n in (1 << 200, 2 << 200, 3 << 200)]
TOKENS = {"prompt": 3, "completion": 2, "characters": 12}


def config(server: Faulty, **changes: object) -> ServerConfig:
    return ServerConfig.model_validate({"base_url": server.base_url, "model": "m", "concurrency": 4, **changes})


def requests(count: int) -> list[ServerRequest]:
    return [ServerRequest(f"i{n}", {"model": "m", "prompt": f"question {n}", "max_tokens": 8}) for n in range(count)]


def put(ledger: Ledger, key: str, text: str = "yes") -> None:
    assert ledger.ask(key, usd=0.5, max_usd=None, max_requests=None)
    ledger.answer(key, {"choices": [{"text": text}]}, usd=0.25, tokens=TOKENS, seconds=1.0)


@pytest.mark.fault("servers", "kill -9 again and again", "handled: stored answers are never asked for again")
def test_killed_again_and_again_ends_like_an_undisturbed_run(tmp_path: Path) -> None:
    work = requests(160)
    undisturbed, killed = tmp_path / "undisturbed.jsonl", tmp_path / "killed.jsonl"
    watch = Watch(killed)
    with Faulty(delay_s=0.01) as calm, Faulty(delay_s=0.01, before=watch) as server:
        expected = ask(work, config(calm), Ledger(undisturbed), who="j")
        watch.cfg = config(server)
        assert kill_often(watch.cfg, killed, work, server, times=10, seed=3, stride=10) >= 8
        stored_by_the_killed = len(answers_in(killed))
        assert 0 < stored_by_the_killed < len(work)
        assert ask(work, watch.cfg, Ledger(killed), who="j") == expected
    assert answers_in(killed) == answers_in(undisturbed)
    # No stored answer was asked for again; what a kill may repeat is what was under way, and no more.
    assert watch.asked_though_stored == []
    assert sum(server.asked.values()) <= len(work) + 10 * watch.cfg.concurrency
    assert max(server.delivered.values()) <= 1 + 10


def test_jobs_that_run_at_once_share_the_work(tmp_path: Path) -> None:
    path, work = tmp_path / "ledger.jsonl", requests(60)
    watch = Watch(path)
    with Faulty(delay_s=0.02, before=watch) as server:
        watch.cfg = config(server)
        jobs = [start(watch.cfg, path, work) for _ in range(3)]
        for job in jobs:
            job.join(60)
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    assert set(server.asked.values()) == {1}
    assert len(answers_in(path)) == 60


def test_a_job_goes_on_with_what_a_killed_one_had_under_way(tmp_path: Path) -> None:
    path, work = tmp_path / "ledger.jsonl", requests(20)
    watch = Watch(path)
    with Faulty(delay_s=0.3, before=watch) as server:
        watch.cfg = config(server)
        first = start(watch.cfg, path, work)
        while sum(server.asked.values()) < 4:
            assert first.is_alive()
        second = start(watch.cfg, path, work)
        first.kill()
        second.join(60)
    assert second.exitcode == 0
    assert watch.asked_though_stored == []
    assert sum(server.asked.values()) <= 20 + 4


def test_a_kill_between_answer_and_ledger_repeats_only_what_was_under_way(tmp_path: Path) -> None:
    path, work = tmp_path / "ledger.jsonl", requests(12)
    with Faulty() as server:
        cfg = config(server, price={"prompt": 0, "completion": 1e6})
        process = start(cfg, path, work, die_storing=True)
        process.join(60)
        assert process.exitcode == -9
        ledger = Ledger(path)
        under_way = ledger.asked
        assert 1 <= under_way <= 4
        # Nobody knows what those cost: they stay set aside, and count as paid once they are asked again.
        assert ledger.spent_usd == pytest.approx(8.0 * under_way)
        ask(work, cfg, ledger, who="j")
    assert sum(server.asked.values()) <= 12 + under_way
    assert ledger.paid_usd == pytest.approx(8.0 * under_way + 12 * 4.0)  # "answer to question 1" counts 4 tokens


@pytest.mark.fault("files", "a line of the ledger is torn", "handled: that line is lost alone")
def test_a_torn_line_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    put(Ledger(path), KEYS[0])
    whole = path.read_bytes()
    put(Ledger(path), KEYS[1])
    added = path.read_bytes()[len(whole) :]
    for length in range(len(added)):
        path.write_bytes(whole + added[:length])
        ledger = Ledger(path)
        assert KEYS[0] in ledger
        # The last newline is no part of the answer: without it the line counts all the same.
        assert (KEYS[1] in ledger) == (length == len(added) - 1)
        put(ledger, KEYS[2])
        again = Ledger(path)
        assert KEYS[0] in again
        assert KEYS[2] in again
        assert (KEYS[1] in again) == (length == len(added) - 1)


def test_a_reader_never_takes_half_a_line_for_lost(tmp_path: Path) -> None:
    """A line that arrives in two parts, as under a network file system, is taken in when it is whole."""
    path = tmp_path / "ledger.jsonl"
    put(Ledger(path), KEYS[0])
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    ledger = Ledger(path)
    assert KEYS[0] not in ledger
    path.write_bytes(data)
    ledger.refresh()
    assert KEYS[0] in ledger


def test_an_answer_counts_when_it_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.ask(KEYS[0], usd=0.0, max_usd=None, max_requests=None)

    def full(_: int) -> None:
        assert KEYS[0] not in ledger
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="disk is full"):
        ledger.answer(KEYS[0], {"choices": []}, usd=0.0, tokens=TOKENS, seconds=1.0)
    assert KEYS[0] not in ledger


def test_a_claim_excludes_threads_and_other_ledgers_of_the_process(tmp_path: Path) -> None:
    one, two = Ledger(tmp_path / "ledger.jsonl"), Ledger(tmp_path / "ledger.jsonl")
    with one.claim(KEYS[0]) as mine, two.claim(KEYS[0]) as also, two.claim(KEYS[1]) as other:
        assert (mine, also, other) == (True, False, True)
    with two.claim(KEYS[0]) as mine:
        assert mine


def test_many_writers_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledgers = [Ledger(path) for _ in range(4)]

    def write(number: int) -> None:
        for n in range(25):
            put(ledgers[number], f"{number:032x}{n:032x}", text="long " * 2000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger = Ledger(path)
    assert ledger.asked == ledger.tokens["answers"] == 100
    assert ledger.paid_usd == pytest.approx(25.0)
    ledgers[0].refresh()
    assert ledgers[0].paid_usd == pytest.approx(25.0)
    assert ledger.spent_usd == pytest.approx(25.0)


@pytest.mark.fault("servers", "an answer is no Unicode", "handled")
def test_text_that_is_no_unicode_is_kept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    put(ledger, KEYS[0], text="half a pair: \ud83d, a line separator: \u2028, a newline: \n")
    assert Ledger(ledger.path)[KEYS[0]]["choices"][0]["text"].startswith("half a pair: \ud83d, a line separator")


def test_lines_say_when_and_how_much(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with Faulty(["500"]) as server:
        cfg = config(server, price={"prompt": 1.0, "completion": 2.0})
        assert isinstance(ask(requests(1), cfg, ledger, who="j")["i0"], Reply)
    lines = [json.loads(line) for line in ledger.path.read_text().split("\n") if line]
    assert [next(iter(line)) for line in lines] == ["asked", "failed", "asked", "answered"]
    assert all(line["at"].endswith("Z") for line in lines)
    assert lines[1]["usd"] == 0
    assert lines[3]["tokens"] == {"prompt": 2, "completion": 4, "characters": 10}
    assert lines[3]["usd"] == pytest.approx((2 * 1.0 + 4 * 2.0) / 1e6)
