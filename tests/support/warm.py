"""Stages in forks of one process that has imported everything: a job then costs a tenth of a second, not four.

Only how a stage's process starts is another. When what stands for it in the workflow is killed, a fork is killed, too.
"""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CLIENT = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.path.join(sys.argv[1], os.environ.get("PYTEST_XDIST_WORKER", "alone")))
    message = json.dumps([os.getcwd(), dict(os.environ), sys.argv[2:]]).encode()
    socket.send_fds(server, [len(message).to_bytes(4)], [1, 2])
    server.sendall(message)
    sys.exit(int(server.recv(4) or 70))
"""


@contextmanager
def warm(folder: Path) -> Iterator[str]:
    """Yields what stands for `python -m superficial` in a project; `folder` is for the socket, so its path is short.

    Workers may share the folder: each has its own server there, and asks that one, whoever made the project.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    address, client = folder / worker, folder / "client.py"
    (folder / f"{worker}.py").write_text(CLIENT)
    (folder / f"{worker}.py").replace(client)  # at once: jobs of another worker may be reading it
    server = subprocess.Popen([sys.executable, __file__, str(address)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield f"{sys.executable} -I -S {client} {folder}"
    finally:
        server.kill()
        server.wait()


def serve(address: str) -> None:
    """Answer forever; every connection is a child of this process."""
    from superficial.pipeline.stages import STAGES

    for stage in STAGES.values():
        importlib.import_module(stage.module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children that end leave nothing behind
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(64)
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                server.close()
                answer(connection)
            connection.close()


def answer(connection: socket.socket) -> None:
    """Run one stage with the caller's folder, environment and streams; does not return."""
    import torch

    from superficial.__main__ import main

    code = 70
    try:
        head, streams, _, _ = socket.recv_fds(connection, 4, 2)
        size, message = int.from_bytes(head), b""
        while len(message) < size:
            message += connection.recv(size - len(message))
        folder, environment, words = json.loads(message)
        threading.Thread(target=die_with, args=[connection], daemon=True).start()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for stream, number in zip(streams, (1, 2), strict=True):
            os.dup2(stream, number)
        if "--threads" in words:
            torch.set_num_threads(min(int(words[words.index("--threads") + 1]), os.cpu_count() or 1))
        code = main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with suppress(OSError):
            connection.sendall(str(code).encode())
        os._exit(code)


def die_with(client: socket.socket) -> None:
    """Wait until the client is gone, killed or done, and end as it did."""
    client.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve(sys.argv[1])
