"""Stands for vLLM in `engine.command`: a process that starts at once, wants a key, and passes requests on to `--to`.

It starts a process of its own that outlives it when it alone is killed, as vLLM does: its id stands in `--child`.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PARSER = argparse.ArgumentParser()
for name in ("model", "name", "host", "port", "to", "child", "fail"):
    PARSER.add_argument(f"--{name}", default="")
GIVEN = PARSER.parse_args(None if __name__ == "__main__" else [])
KEY = os.environ.get("VLLM_API_KEY", "")
passed = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer(200, {"data": [{"id": GIVEN.name}]})

    def do_POST(self) -> None:
        global passed
        raw = self.rfile.read(int(self.headers["content-length"]))
        passed += 1
        if passed > int(os.environ.get("DIE_AFTER", "1000000")):
            print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", flush=True)
            print("RuntimeError: Engine core initialization failed. See root cause above.", flush=True)
            os._exit(1)
        behind = http.client.HTTPConnection(urlsplit(GIVEN.to).netloc, timeout=60)
        behind.request("POST", self.path, raw, {"content-type": "application/json", "x-model": GIVEN.model})
        response = behind.getresponse()
        self.answer(response.status, json.loads(response.read()))

    def answer(self, status: int, body: object) -> None:
        if KEY and self.headers.get("authorization") != f"Bearer {KEY}":
            status, body = 401, {"error": {"message": "no such key"}}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False
    request_queue_size = 256


if __name__ == "__main__":
    print(f"starting with {sorted(name for name in os.environ if 'VLLM' in name)}", flush=True)
    if GIVEN.fail:
        sys.exit(GIVEN.fail)
    server = Server((GIVEN.host, int(GIVEN.port)), Handler)
    if GIVEN.child:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-I", "-c", code], start_new_session=True)
        with open(GIVEN.child, "a") as file:
            file.write(f"{os.getpid()} {child.pid}\n")
        time.sleep(0.05)
    server.serve_forever()
