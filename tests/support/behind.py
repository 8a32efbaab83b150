"""A server with the models of this process, as vLLM answers: token ids in and out, whatever defaults a model ships."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from support.reference import alone

from superficial.models.load import LoadedModel, load_model

FORWARD = Path(__file__).with_name("forward.py")


def command(backend: "Behind", *more: str) -> str:
    """For `engine.command`."""
    told = "--model {model} --name {name} --host {host} --port {port}"
    return " ".join(["{python}", "-I", "-S", str(FORWARD), told, "--to", backend.url, *more])


class Behind(ThreadingHTTPServer):
    """`asked` holds every payload. `text`: it knows nothing of token ids. `other`: its tokenizer is another one."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *, text: bool = False, other: bool = False, ignores: tuple[str, ...] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.text, self.other, self.ignores = text, other, ignores
        self.asked: list[dict[str, Any]] = []
        self.models: dict[str, LoadedModel] = {}
        self.guard = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked was killed; that is no news."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def answers(self) -> list[dict[str, Any]]:
        """Payloads that ask for an answer; the others found out what the server does."""
        return [body for body in self.asked if "stop" in body or body["max_tokens"] not in (1, 16)]

    def __enter__(self) -> "Behind":
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.shutdown()
        self.server_close()

    def complete(self, folder: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self.guard:  # transformers is not asked by several threads at once
            self.asked.append(body)
            if folder not in self.models:
                self.models[folder] = load_model(Path(folder) / "manifest.json", "cpu")
            return self._complete(self.models[folder], body)

    def _complete(self, model: LoadedModel, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        prompt, penalty = body["prompt"], body.get("repetition_penalty", 1.0)
        if self.text and not isinstance(prompt, str):
            return 400, {"error": {"message": "prompt must be a string"}}
        if penalty <= 0 and "repetition_penalty" not in self.ignores:
            return 400, {"error": {"message": "repetition_penalty must be greater than zero"}}
        penalty = 1.0 if "repetition_penalty" in self.ignores else penalty
        ids = [int(one) for one in (model.tokenizer(prompt).input_ids if isinstance(prompt, str) else prompt)]
        if self.other:
            ids = [token + 1 for token in ids]
        tokens, reason, met = alone(model, ids, body["max_tokens"], penalty), "length", None
        if tokens[-1] in model.end_ids:
            reason = "stop"
        for stop in body.get("stop", []):
            for count in range(1, len(tokens) + 1):
                if stop in model.tokenizer.decode(tokens[:count], skip_special_tokens=True):
                    tokens, reason, met = tokens[:count], "stop", stop
                    break
        text = str(model.tokenizer.decode(tokens, skip_special_tokens=True))
        text = text[: text.index(met)] if met else text
        choice: dict[str, Any] = {"text": text, "finish_reason": reason}
        if not self.text:
            choice["stop_reason"] = met
        if body.get("return_token_ids") and not self.text:
            choice |= {"token_ids": tokens, "prompt_token_ids": ids}
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(tokens)}
        return 200, {"choices": [choice], "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    server: Behind
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, found = self.server.complete(self.headers.get("x-model") or body["model"], body)
        data = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
