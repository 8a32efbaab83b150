"""One request over HTTP, through the `openai` client; what can go wrong is sorted into faults.

The client library retries nothing here: its own loop knows neither budgets nor the other workers.
"""

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import httpx2
from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAI

from superficial.artifacts.errors import UserError
from superficial.config.schema.server import ServerConfig
from superficial.inference.server.faults import Faulty, RateLimited, Refused, Unreachable, retry_after

SECRET_LENGTH = 12  # shorter "keys" ("none", "EMPTY") are no secrets, and blotting them out would spoil texts


class Endpoint:
    """A connection pool to one endpoint. `post` may be called from many threads."""

    def __init__(self, server: ServerConfig, who: str) -> None:
        self.server = server
        self.where = f"{who}, {server.base_url}"
        self._key = os.environ.get(server.api_key_env, "").strip()
        if not (self._key.isascii() and (self._key.isprintable())):
            raise UserError(
                f"the key in ${server.api_key_env} holds characters that no key has", where=self.where,
                remedy=f"export {server.api_key_env} again",
            )  # fmt: skip
        limits = httpx2.Limits(max_connections=server.concurrency, max_keepalive_connections=server.concurrency)
        self._client = OpenAI(
            api_key=self._key or "none",
            base_url=server.base_url,
            max_retries=0,
            timeout=server.timeout_s,
            # A compressed answer could be small on the wire and huge in memory.
            default_headers={"Accept-Encoding": "identity"},
            http_client=httpx2.Client(
                limits=limits,
                timeout=server.timeout_s,
                follow_redirects=False,
                event_hooks={"request": [self._start], "response": [self._bound]},
            ),
        )

    def post(self, kind: str, body: dict[str, Any]) -> Any:
        """The JSON that the endpoint `kind` answers.

        Raises Faulty, RateLimited, Unreachable or Refused; UserError when no request can succeed.
        """
        try:
            response = self._client.post(f"/{kind}", body=body, cast_to=httpx2.Response)
        except APITimeoutError:
            raise Faulty(f"no answer within {self.server.timeout_s:g} s") from None
        except APIConnectionError as error:
            cause = type(error.__cause__).__name__
            if isinstance(error.__cause__, httpx2.ConnectError):
                raise Unreachable(self._hide(f"cannot connect ({error.__cause__})"), billed=False) from None
            raise Faulty(f"the connection broke ({cause})") from None
        except APIStatusError as error:
            raise self._sorted(error) from None
        text = self._hide(response.text)
        if not text.strip():
            raise Faulty("an empty answer")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):  # the latter: brackets within brackets, thousands of them
            raise Faulty(f"no JSON but {text.strip()[:40]!r}") from None

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _sorted(self, error: APIStatusError) -> Exception:
        """The fault that a status stands for."""
        status, variable = error.status_code, self.server.api_key_env
        after = retry_after(error.response.headers.get("retry-after"))
        if status in (401, 403):
            # What the server says about it is left out: some repeat the key.
            have = "refuses the key" if self._key else "wants a key"
            return UserError(f"the server {have} (status {status})", where=self.where, remedy=f"export {variable}=...")
        if status == 404:
            return UserError(
                f"no model {self.server.model!r} there, or no such address (status 404)", where=self.where,
                remedy="check base_url, which ends in /v1, and model",
            )  # fmt: skip
        if 300 <= status < 400:
            return UserError(f"it redirects (status {status})", where=self.where, remedy="give the final base_url")
        said = self._hide(" ".join(error.response.text.split()))[:200]
        if status == 429 and error.code == "insufficient_quota":
            return UserError("the account's quota is used up (status 429)", where=self.where, remedy="top it up")
        if status == 429:
            return RateLimited("rate limit (status 429)", after, billed=False)
        if status in (408, 409, 425) or status >= 500:
            return Faulty(f"status {status}: {said}", after, billed=False)
        return Refused(f"status {status}: {said}")

    def _hide(self, text: str) -> str:
        return text.replace(self._key, "[key]") if len(self._key) >= SECRET_LENGTH else text

    def _start(self, request: httpx2.Request) -> None:
        request.extensions["deadline"] = time.monotonic() + self.server.timeout_s

    def _bound(self, response: httpx2.Response) -> None:
        """Bound the size and the time of an answer, whatever its status."""
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Faulty("a compressed answer, though none was asked for")
        assert isinstance(response.stream, httpx2.SyncByteStream)
        deadline = response.request.extensions["deadline"]
        response.stream = _Bounded(response.stream, self.server.max_answer_bytes, deadline)


class _Bounded(httpx2.SyncByteStream):
    """Bytes of an answer until there are too many of them or the time is over: a trickle resets no read timeout."""

    def __init__(self, stream: httpx2.SyncByteStream, limit: int, deadline: float) -> None:
        self._stream, self._limit, self._deadline = stream, limit, deadline

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > self._limit:
                raise Faulty(f"an answer of more than max_answer_bytes={self._limit} bytes")
            if time.monotonic() > self._deadline:
                raise httpx2.ReadTimeout("the answer trickles")
            yield chunk

    def close(self) -> None:
        self._stream.close()
