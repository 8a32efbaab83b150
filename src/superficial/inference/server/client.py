"""Ask a server: many requests at a time, each until it has a usable answer, none that is answered already."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from superficial.artifacts.errors import UserError
from superficial.artifacts.job_log import say
from superficial.artifacts.progress import progress
from superficial.config.schema.server import ServerConfig
from superficial.inference.server.budget import Budget
from superficial.inference.server.dialect import Dialect
from superficial.inference.server.faults import Faulty, RateLimited, Refused, Unreachable, backoff
from superficial.inference.server.ledger import Ledger, request_key
from superficial.inference.server.reply import Failure, Reply, ServerRequest, check_whole, read_reply

POLL_S = 0.1  # between looks at a request that another process has under way
HOPELESS = 20  # requests in a row without usable answer, after all their tries, before the whole run is given up


def ask(
    requests: Sequence[ServerRequest], server: ServerConfig, ledger: Ledger, *, who: str
) -> dict[str, Reply | Failure]:
    """The reply to every request by its item; what is in the ledger is not asked again, equal requests are asked once.

    `who` names the asking judge or engine in messages. A request without usable answer after `server.retries` further
    tries, or one that the server refuses, is a Failure; it is not stored, so that the next run asks it again.

    Raises UserError when the rest cannot succeed either: nothing listens, key or model are refused, the budget is used
    up, a rate limit outlasts `server.max_wait_s`, HOPELESS requests failed in a row. Requests under way are still
    waited for, and what is stored stays.
    """
    keys = {request.item: request_key(server, request) for request in requests}
    ledger.refresh()
    todo = {key: request for request in requests if (key := keys[request.item]) not in ledger}
    failures: dict[str, Failure] = {}
    if todo:
        failures = _Asking(todo, server, ledger, who).run(len(set(keys.values())))
    return {item: failures[key] if key in failures else read_reply(ledger[key]) for item, key in keys.items()}


class _Stopped(Exception):
    """Another worker found that going on is useless."""


class _Asking:
    """Workers that empty one queue."""

    def __init__(self, todo: dict[str, ServerRequest], server: ServerConfig, ledger: Ledger, who: str) -> None:
        # Here, because most stages that can ask a server ask none, and its client takes a second to import.
        from superficial.inference.server.endpoint import Endpoint

        self._server, self._ledger, self._who = server, ledger, who
        self._wire = Endpoint(server, who)
        self._budget = Budget(server, ledger, self._wire.where)
        self._dialect = Dialect(ledger)
        self._waiting = deque(todo.items())
        self._failures: dict[str, Failure] = {}
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._not_before = 0.0  # monotonic seconds: the wait that the server asked of everybody
        self._failed_in_a_row = 0
        self._started, self._written = time.monotonic(), 0  # completion tokens of this run
        self._reached = False  # whether the server took a connection in this run

    def run(self, total: int) -> dict[str, Failure]:
        """Settle every request of the queue; returns the failures by key. `total` counts those stored before, too."""
        stored = total - len(self._waiting)
        say(self._budget.forecast([request for _, request in self._waiting], stored))
        workers = min(self._server.concurrency, len(self._waiting))
        with progress(f"asking ({self._who})", total, "answers") as self._bar:
            self._bar.update(stored)
            try:
                with ThreadPoolExecutor(workers, thread_name_prefix="ask") as pool:
                    try:
                        for done in as_completed([pool.submit(self._work) for _ in range(workers)]):
                            done.result()
                    except BaseException:
                        self._stop.set()
                        raise
            finally:
                self._wire.close()
        return self._failures

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    key, request = self._waiting.popleft()
                except IndexError:
                    return
                with self._ledger.claim(key) as mine:
                    if mine:
                        # Another process may have stored it before it gave up its claim.
                        self._ledger.refresh()
                        if key not in self._ledger:
                            self._settle(key, request)
                        self._show()
                if not mine:
                    self._waiting.append((key, request))
                    self._stop.wait(POLL_S)
        except _Stopped:
            pass
        except BaseException:
            self._stop.set()
            raise

    def _settle(self, key: str, request: ServerRequest) -> None:
        """Ask until there is a usable answer, or no point in asking again."""
        tries, limits, waited = 0, 0, 0.0
        while True:
            self._hold()
            self._budget.admit(key, request)
            started = time.monotonic()
            sent = self._dialect.write(request)
            try:
                body = self._wire.post(request.kind, sent)
                reply = read_reply(body)
                if request.whole:
                    check_whole(reply)
            except Faulty as fault:
                self._ledger.fail(key, str(fault), billed=fault.billed)
                self._reached |= not isinstance(fault, Unreachable)
                limited = isinstance(fault, RateLimited)
                tries, limits = tries + (not limited), limits + limited
                if tries > self._server.retries or (isinstance(fault, Unreachable) and not self._reached):
                    self._give_up(key, request, f"no usable answer in {tries} tries, the last: {fault}", fault)
                    return
                delay = backoff(tries + limits) if fault.after is None else fault.after
                waited += delay if limited or fault.after is not None else 0.0
                self._wait(delay, waited, everybody=limited or fault.after is not None)
            except Refused as fault:
                self._ledger.fail(key, str(fault), billed=False)
                if self._dialect.learn(request, sent, fault):
                    continue
                self._give_up(key, request, f"refused: {fault}", fault)
                return
            except UserError as error:
                self._ledger.fail(key, str(error), billed=False)
                raise
            else:
                usd, tokens = self._budget.bill(request, body, reply.text)
                self._ledger.answer(key, body, usd=usd, tokens=tokens, seconds=time.monotonic() - started)
                self._failed_in_a_row, self._reached = 0, True
                self._written += tokens["completion"]
                return

    def _give_up(self, key: str, request: ServerRequest, reason: str, fault: Faulty | Refused) -> None:
        where = self._wire.where
        if isinstance(fault, Unreachable):
            raise UserError(str(fault), where=where, remedy="start the server, or check base_url; answers are kept")
        with self._guard:
            # A refusal is an answer of a server that is well: some refuse every harmful text that they are to judge.
            self._failed_in_a_row += isinstance(fault, Faulty)
            hopeless = self._failed_in_a_row >= HOPELESS
            refused = fault.cause if isinstance(fault, Refused) else ""
            self._failures[key] = Failure(f"{where}, item {request.item}: {reason}", refused)
        if hopeless:
            raise UserError(
                f"{HOPELESS} requests failed in a row, the last, item {request.item}: {reason}", where=where,
                remedy="mend the server, then run the same command again: answers are kept",
            )  # fmt: skip

    def _wait(self, delay: float, waited: float, *, everybody: bool) -> None:
        if waited > self._server.max_wait_s:
            raise UserError(
                f"the server asks for more patience than max_wait_s={self._server.max_wait_s:g} (now {delay:.0f} s)",
                where=self._wire.where, remedy="run the same command again later: answers are kept",
            )  # fmt: skip
        if everybody:
            with self._guard:
                self._not_before = max(self._not_before, time.monotonic() + delay)
        elif self._stop.wait(delay):
            raise _Stopped

    def _hold(self) -> None:
        """Wait as long as the server wants everybody to wait."""
        while (delay := self._not_before - time.monotonic()) > 0:
            if self._stop.wait(delay):
                raise _Stopped
        if self._stop.is_set():
            raise _Stopped

    def _show(self) -> None:
        with self._guard:
            rate = self._written / (time.monotonic() - self._started)
            self._bar.set_postfix_str(f"{rate:.1f} tokens/s, {self._budget.so_far()}", refresh=False)
            self._bar.update(1)
