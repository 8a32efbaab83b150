"""Forecast and budget."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from support.faulty import Faulty

from superficial.artifacts.errors import UserError
from superficial.config.schema.server import ServerConfig
from superficial.inference.server.client import ask
from superficial.inference.server.ledger import Ledger
from superficial.inference.server.reply import Reply, ServerRequest

PRICE = {"prompt": 0.0, "completion": 1e6}  # a dollar a completion token; the stub answers four


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


def config(server: Faulty, **changes: object) -> ServerConfig:
    return ServerConfig.model_validate({"base_url": server.base_url, "model": "m", "concurrency": 4, **changes})


def requests(count: int) -> list[ServerRequest]:
    return [ServerRequest(f"i{n}", {"model": "m", "prompt": f"question {n}", "max_tokens": 8}) for n in range(count)]


@pytest.mark.fault("servers", "the budget of requests is used up", "one line; exit code 2; answers so far are kept")
def test_max_requests_is_exact_and_the_run_goes_on_from_there(ledger: Ledger) -> None:
    with Faulty(["500"]) as server:
        with pytest.raises(UserError, match=r"max_requests=5; every answer so far is kept .*raise max_requests"):
            ask(requests(12), config(server, max_requests=5), ledger, who="judge j")
        assert sum(server.asked.values()) == 5  # the one that failed counts, too
        replies = ask(requests(12), config(server, max_requests=13), ledger, who="judge j")
        assert all(isinstance(reply, Reply) for reply in replies.values())
        assert sum(server.asked.values()) == 13
        # Nothing is left to ask: the budget does not matter any more.
        assert ask(requests(12), config(server, max_requests=1), ledger, who="judge j") == replies


def test_max_requests_holds_for_jobs_together(tmp_path: Path) -> None:
    path, errors = tmp_path / "ledger.jsonl", []

    def job(work: list[ServerRequest]) -> None:
        try:
            ask(work, config(server, max_requests=9), Ledger(path), who="judge j")
        except UserError as error:
            errors.append(error)

    with Faulty(delay_s=0.01) as server:
        jobs = [threading.Thread(target=job, args=(requests(40)[first::2],)) for first in (0, 1)]
        for one in jobs:
            one.start()
        for one in jobs:
            one.join()
        assert len(errors) == 2
        assert sum(server.asked.values()) == 9


def test_a_limit_is_checked_and_noted_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four jobs that find room for one more request at the same moment: one of them sends it."""
    append, key = Ledger._append, "0" * 64

    def late(self: Ledger, file: FileIO, line: dict[str, Any]) -> None:
        time.sleep(0.05)
        append(self, file, line)

    monkeypatch.setattr(Ledger, "_append", late)
    ledgers = [Ledger(tmp_path / "ledger.jsonl") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda one: one.ask(key, usd=0.0, max_usd=None, max_requests=1), ledgers))
    assert sorted(sent) == [False, False, False, True]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_max_cost_is_never_exceeded(concurrency: int, ledger: Ledger) -> None:
    with Faulty() as server:
        cfg = config(server, price=PRICE, max_cost_usd=30, concurrency=concurrency)
        with pytest.raises(UserError, match="max_cost_usd=30"):
            ask(requests(40), cfg, ledger, who="judge j")
        assert 0 < ledger.paid_usd <= 30
        # Eight dollars are set aside for a request and four are paid: it ends when fewer than eight are left.
        assert ledger.paid_usd + 8 * concurrency > 30
        kept = sum(server.asked.values())
        again = cfg.model_copy(update={"max_cost_usd": 1000.0})
        ask(requests(40), again, ledger, who="judge j")
        assert sum(server.asked.values()) == 40
        assert kept == 6 or concurrency > 1


def test_what_a_broken_answer_may_have_cost_counts(ledger: Ledger) -> None:
    with Faulty(["cut", "500", "schema"]) as server:
        ask(requests(1), config(server, price=PRICE), ledger, who="judge j")
    assert ledger.paid_usd == pytest.approx(8 + 0 + 8 + 4)


@pytest.mark.fault("configuration", "a limit of cost without a price", "one line that names both keys; exit code 1")
def test_a_cost_limit_needs_a_price() -> None:
    with pytest.raises(ValueError, match="max_cost_usd needs price"):
        ServerConfig(base_url="http://localhost/v1", model="m", max_cost_usd=1.0)


def test_the_forecast_comes_first_and_learns(ledger: Ledger, capfd: pytest.CaptureFixture[str]) -> None:
    said = []
    with Faulty(before=lambda path, body: said.append(capfd.readouterr().err)) as server:
        cfg = config(server, price=PRICE, concurrency=1, max_cost_usd=500)
        ask(requests(2), cfg, ledger, who="judge j")
        first = said[0].splitlines()[0]
        ask(requests(10), cfg, ledger, who="judge j")
        second = said[2].splitlines()
    assert first == (
        f"judge j, {server.base_url}: 2 requests (0 more are answered already), about 6 prompt and 16 completion"
        " tokens, 16.0000 USD (16.0000 at most), 0.0 min if one completion makes 30 tokens/s; 0.0000 USD so far,"
        " max_cost_usd=500"
    )
    forecast = next(line for line in second if "more are answered" in line)
    assert "8 requests (2 more are answered already), about 24 prompt and 32 completion tokens" in forecast
    assert "32.0000 USD (64.0000 at most)" in forecast
    assert "as 2 answers so far; 8.0000 USD so far" in forecast
    # Nothing to ask, nothing to forecast.
    capfd.readouterr()
    ask(requests(10), cfg, ledger, who="judge j")
    assert capfd.readouterr().err == ""


def test_an_answer_without_usage_is_billed_by_its_length(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Faulty(["echo"]) as server:
        ask(requests(1), config(server, price=PRICE), ledger, who="judge j")
    assert ledger.tokens == {"prompt": 3, "completion": 6, "characters": 10, "answers": 1}
    assert ledger.paid_usd == pytest.approx(6.0)  # "your header is Bearer none"
