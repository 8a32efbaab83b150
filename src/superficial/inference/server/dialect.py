"""What a server does not take of our requests, learned from its own refusals.

OpenAI's reasoning models call `max_tokens` `max_completion_tokens` and take no `temperature`; other servers know no
`response_format`. A refusal names the parameter. The ledger keeps it, so that no later request is refused for it.
"""

import re
import threading
from typing import Any

from superficial.inference.server.faults import Refused
from superficial.inference.server.ledger import Ledger
from superficial.inference.server.reply import ServerRequest

RENAMED = {"max_tokens": "max_completion_tokens"}


class Dialect:
    """How requests are written for one model. May be used from many threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._guard = threading.Lock()

    def write(self, request: ServerRequest) -> dict[str, Any]:
        """The payload without what the server refused before; a renamed parameter has its other name."""
        known = self._ledger.learned
        renamed = {RENAMED.get(name, name) if name in known else name: value for name, value in request.sent.items()}
        return {name: value for name, value in renamed.items() if not (name in known and name in request.may_go)}

    def learn(self, request: ServerRequest, sent: dict[str, Any], refused: Refused) -> str | None:
        """The refused parameter, if the request can do without it or has another name for it; else None.

        `sent` is the payload that was refused. Such a request is worth another try.
        """
        may_go = {*RENAMED, *request.may_go} & sent.keys()
        found = next((name for name in may_go if refused.parameter == name or _quotes(str(refused), name)), None)
        if found:
            with self._guard:
                if found not in self._ledger.learned:
                    self._ledger.learn(found)
        return found


def _quotes(text: str, name: str) -> bool:
    """Whether a message names a parameter, between quotes of any kind."""
    return re.search(rf"['\"`]{name}['\"`]", text) is not None
