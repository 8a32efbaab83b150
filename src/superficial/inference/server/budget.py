"""What asking will cost, before the first request; and a budget that is never knowingly exceeded."""

from collections.abc import Collection
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.config.schema.server import ServerConfig
from superficial.inference.server.ledger import Ledger
from superficial.inference.server.reply import ServerRequest, usage

TOKENS_PER_CHARACTER = 0.25  # until the ledger holds counted prompts
TOKENS_PER_SECOND = 30.0  # of one completion, until the ledger holds timed answers
UNBOUNDED = 1024  # completion tokens set aside for a body without max_tokens


class Budget:
    """Estimates from what the ledger has measured so far; limits from the configuration.

    The limits hold for all requests to the model that the ledger knows, over runs and concurrent jobs. A request has
    its estimated prompt and its whole max_tokens set aside: only the estimate of the prompts under way can be wrong.
    """

    def __init__(self, server: ServerConfig, ledger: Ledger, where: str) -> None:
        self._server, self._ledger, self._where = server, ledger, where

    def forecast(self, requests: Collection[ServerRequest], stored: int) -> str:
        """One line: requests, tokens, cost and time of what is still to be asked; `stored` answers are at hand."""
        measured, count = self._ledger.tokens, len(requests)
        prompt = sum(self._prompt_tokens(request) for request in requests)
        most = sum(_max_tokens(request) for request in requests)
        likely = most
        if measured["answers"]:
            likely = min(most, round(measured["completion"] / measured["answers"] * count))
            seconds = self._ledger.seconds / measured["answers"] * count
            basis = f"as {measured['answers']} answers so far"
        else:
            seconds = likely / TOKENS_PER_SECOND
            basis = f"if one completion makes {TOKENS_PER_SECOND:g} tokens/s"
        minutes = seconds / min(self._server.concurrency, max(count, 1)) / 60
        cost = "no price table, so no cost"
        if self._server.price:
            cost = f"{self._usd(prompt, likely):.4f} USD ({self._usd(prompt, most):.4f} at most)"
        limits = "".join(
            f", {name}={value:g}"
            for name, value in (
                ("max_cost_usd", self._server.max_cost_usd),
                ("max_requests", self._server.max_requests),
            )
            if value is not None
        )
        return (
            f"{self._where}: {count} requests ({stored} more are answered already), about {prompt} prompt and {likely}"
            f" completion tokens, {cost}, {minutes:.1f} min {basis}; {self.so_far()} so far{limits}"
        )

    def so_far(self) -> str:
        """What all requests to this model cost, over all runs."""
        ledger = self._ledger
        return f"{ledger.paid_usd:.4f} USD" if self._server.price else f"{ledger.asked} requests sent"

    def admit(self, key: str, request: ServerRequest) -> None:
        """Set the cost of one request aside; raises UserError when a limit stands against it."""
        server = self._server
        usd = self._usd(self._prompt_tokens(request), _max_tokens(request))
        if self._ledger.ask(key, usd=usd, max_usd=server.max_cost_usd, max_requests=server.max_requests):
            return
        spent, sent = self._ledger.spent_usd, self._ledger.asked
        limit = "max_requests" if server.max_requests is not None and sent >= server.max_requests else "max_cost_usd"
        raise UserError(
            f"the budget is used up: {sent} requests sent, {spent:.4f} USD spent or set aside,"
            f" {limit}={getattr(server, limit):g}; every answer so far is kept",
            where=self._where,
            remedy=f"raise {limit} and run the same command again: it goes on from here",
        )

    def bill(self, request: ServerRequest, reply: dict[str, Any], text: str) -> tuple[float, dict[str, int]]:
        """Cost in USD, and tokens, of one answer: as counted by the server, else estimated from its length."""
        counted = usage(reply)
        prompt, completion = counted or (self._prompt_tokens(request), round(len(text) * self._per_character()))
        tokens = {"prompt": prompt, "completion": completion, "characters": request.characters}
        return self._usd(prompt, completion), tokens

    def _prompt_tokens(self, request: ServerRequest) -> int:
        return round(request.characters * self._per_character()) + 1

    def _per_character(self) -> float:
        measured = self._ledger.tokens
        return measured["prompt"] / measured["characters"] if measured["characters"] else TOKENS_PER_CHARACTER

    def _usd(self, prompt: int, completion: int) -> float:
        price = self._server.price
        return (prompt * price.prompt + completion * price.completion) / 1e6 if price else 0.0


def _max_tokens(request: ServerRequest) -> int:
    body = request.body
    return int(body.get("max_completion_tokens") or body.get("max_tokens") or UNBOUNDED)
