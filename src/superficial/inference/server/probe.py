"""Single requests that find out what a server does. The ledger keeps it: each is sent once a model."""

from typing import Any

from superficial.artifacts.errors import UserError
from superficial.config.schema.server import ServerEngine
from superficial.inference.server.budget import Budget
from superficial.inference.server.faults import Faulty, Refused, Unreachable
from superficial.inference.server.ledger import Ledger, request_key
from superficial.inference.server.reply import ServerRequest, read_reply

# A model goes on with what it read before, and a strong penalty forbids that.
REPETITIVE = "one two three one two three one two three one two three one two"
STRONG = {"repetition_penalty": 5.0, "frequency_penalty": 2.0}
NEUTRAL = {"repetition_penalty": 1.0, "frequency_penalty": 0.0}
NONSENSE = -99.0
OBEYS = "obeys: "


class Probe:
    """Asks a server for the completion of a text, once and without patience."""

    def __init__(self, server: ServerEngine, ledger: Ledger, who: str) -> None:
        from superficial.inference.server.endpoint import Endpoint  # its client takes a second to import

        self._server, self._ledger = server, ledger
        self._wire = Endpoint(server, who)
        self.where = self._wire.where
        self._budget = Budget(server, ledger, self.where)

    def ask(self, prompt: str | list[int], **more: Any) -> dict[str, Any] | None:
        """The answer's JSON; None: the server refuses such a request.

        Raises Faulty where nothing can be said, and UserError where no request can succeed.
        """
        body = {"model": self._server.model, "temperature": 0, "max_tokens": 1, "prompt": prompt} | more
        request = ServerRequest("sample", body, whole=True)
        key = request_key(self._server, request)
        self._ledger.refresh()
        if key in self._ledger:
            return self._ledger[key]
        self._budget.admit(key, request)
        try:
            found: dict[str, Any] = self._wire.post(request.kind, body)
            reply = read_reply(found)
        except (Faulty, Refused, UserError) as fault:
            self._ledger.fail(key, str(fault), billed=isinstance(fault, Faulty) and fault.billed)
            if isinstance(fault, Unreachable):
                raise UserError(str(fault), where=self.where, remedy="start the server, or check base_url") from None
            if isinstance(fault, Refused):
                return None
            raise
        usd, tokens = self._budget.bill(request, found, reply.text)
        self._ledger.answer(key, found, usd=usd, tokens=tokens, seconds=0.0)
        return found

    def close(self) -> None:
        """Give the connection back."""
        self._wire.close()


def require_penalty(server: ServerEngine, ledger: Ledger, who: str) -> None:
    """A UserError where the server takes the field of the repetition penalty and does nothing with it."""
    field = server.penalty_field
    if f"{OBEYS}{field}" in ledger.learned:
        return
    probe = Probe(server, ledger, who)
    try:
        texts = [probe.ask(REPETITIVE, **{field: value, "max_tokens": 16}) for value in (NEUTRAL[field], STRONG[field])]
        if None in texts or len({read_reply(body).text for body in texts}) == 2:
            pass  # a server that refuses it says so when it is asked for an answer
        elif probe.ask(REPETITIVE, **{field: NONSENSE}) is not None:
            raise UserError(
                f"the server takes {field} and ignores it", where=probe.where,
                remedy="set engine.penalty_field to the field that it obeys, or ask methods without repetition_penalty",
            )  # fmt: skip
    except Faulty:
        return
    finally:
        probe.close()
    ledger.learn(f"{OBEYS}{field}")
