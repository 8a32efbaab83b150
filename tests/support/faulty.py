"""A real HTTP server that misbehaves to plan: it answers by itself, or passes requests on to a server behind it."""

import gzip
import http.client
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

HANG_S = 3.0  # of "timeout": longer than any client of the tests waits


class Faulty(ThreadingHTTPServer):
    """`plan` names a fault for each request as it comes; when it is used up, everything is answered.

    asked, delivered: how often each payload came, and was answered in full. keys: the Authorization headers seen.
    `before` sees every payload first: (path, body) -> None. Payloads with a parameter that it `refuses` get status 400.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, plan: Iterable[str] = (), *, upstream: str = "", delay_s: float = 0.0,
        before: Callable[[str, dict[str, Any]], None] = lambda path, body: None, refuses: Collection[str] = (),
    ) -> None:  # fmt: skip
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plan = iter(plan)
        self.upstream = urlsplit(upstream) if upstream else None
        self.delay_s, self.before, self.refuses = delay_s, before, refuses
        self.asked: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.times: list[float] = []  # monotonic seconds at which requests came
        self.running = self.most_running = 0
        self.guard = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> "Faulty":
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of these tests are killed; that is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Faulty
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        body, server = json.loads(raw), self.server
        server.before(self.path, body)
        name = json.dumps(body, sort_keys=True)
        with server.guard:
            server.asked[name] += 1
            server.keys.add(self.headers.get("authorization", ""))
            server.times.append(time.monotonic())
            server.running += 1
            server.most_running = max(server.most_running, server.running)
            fault = next(server.plan, "")
        try:
            if fault:
                self._misbehave(fault, body)
                return
            time.sleep(server.delay_s)
            if refused := sorted(body.keys() & server.refuses):
                self._send(400, json.dumps({"error": {"message": f"no such parameter: '{refused[0]}'"}}).encode())
                return
            self._send(*(self._pass_on(raw) if server.upstream else (200, _answer(body))))
            with server.guard:
                server.delivered[name] += 1
        finally:
            with server.guard:
                server.running -= 1

    def _pass_on(self, raw: bytes) -> tuple[int, bytes]:
        assert self.server.upstream is not None
        behind = http.client.HTTPConnection(self.server.upstream.netloc, timeout=60)
        behind.request("POST", self.path, raw, {"content-type": "application/json"})
        response = behind.getresponse()
        return response.status, response.read()

    def _send(self, status: int, data: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _misbehave(self, fault: str, body: dict[str, Any]) -> None:
        whole = _answer(body)
        name, _, argument = fault.partition(" ")
        if name.isdigit():
            said = json.dumps({"error": {"message": f"seen {self.headers.get('authorization')}", "code": argument}})
            self._send(int(name), said.encode())
        elif name == "after":  # 429 with retry-after in seconds
            self._send(429, b"{}", retry_after=argument)
        elif name == "date":  # 429 with retry-after as a date, whole seconds
            self._send(429, b"{}", retry_after=formatdate(time.time() + float(argument), usegmt=True))
        elif name == "timeout":
            time.sleep(HANG_S)
        elif name == "trickle":
            self.send_response(200)
            self.send_header("content-length", str(len(whole)))
            self.end_headers()
            for byte in whole:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.05)
        elif name == "cut":
            self.send_response(200)
            self.send_header("content-length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2])
            self.close_connection = True
        elif name == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif name == "html":
            self._send(200, b"<html><body>Bad gateway</body></html>", "text/html")
        elif name == "empty":
            self._send(200, b"")
        elif name == "schema":
            self._send(200, b'{"choices": [{"message": {"content": 5}}]}')
        elif name == "nested":
            self._send(200, b"[" * 100_000)
        elif name == "finish":  # an answer that says it ended as the argument has it
            told = {} if argument == "missing" else {"finish_reason": None if argument == "null" else argument}
            self._send(200, json.dumps({"choices": [{"text": "half an an"} | told]}).encode())
        elif name == "error200":
            self._send(200, b'{"error": {"message": "upstream overloaded"}}')
        elif name == "huge":
            self._send(200, json.dumps({"choices": [{"text": "x" * 10_000_000}]}).encode())
        elif name == "bomb":
            packed = gzip.compress(json.dumps({"choices": [{"text": "x" * 10_000_000}]}).encode())
            self._send(200, packed, content_encoding="gzip")
        elif name == "echo":  # a server that repeats the key in its answer
            text = f"your header is {self.headers.get('authorization')}"
            self._send(200, json.dumps({"choices": [{"text": text, "finish_reason": "stop"}]}).encode())
        else:
            raise ValueError(fault)


def _answer(body: dict[str, Any]) -> bytes:
    """An answer that depends on the payload alone."""
    prompt = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
    text = f"answer to {prompt}"
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    choice |= {"text": text} if "prompt" in body else {"message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split())}
    return json.dumps({"id": "stub", "model": body["model"], "choices": [choice], "usage": usage}).encode()
