"""A server that the job starts: who it is, what is said when it fails, and that nothing of it is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.behind import Behind, command
from support.faulty import Faulty

from superficial.artifacts.errors import UserError
from superficial.config.schema.server import StartedConfig
from superficial.inference.server import started
from superficial.inference.server.started import Serving, StartedServer, version

SERVING = Serving("/no/model", "m", "float32", 512, 0, {})


def config(**changes: object) -> StartedConfig:
    values = {"python": sys.executable, "packages": [], "environment": {"VLLM_API_KEY": "{key}"}} | changes
    return StartedConfig.model_validate(values)


def alive(pid: int) -> bool:
    """Neither gone nor a body that nobody fetched."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(*pids: int) -> bool:
    deadline = time.monotonic() + 20
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def server(tmp_path: Path) -> StartedServer:
    with Behind() as backend:
        cfg = config(command=command(backend, "--child", str(tmp_path / "pids")))
        yield (found := StartedServer(cfg, SERVING, tmp_path / "log", "engine e"))
        found.close()


def pids(tmp_path: Path) -> list[int]:
    return [int(word) for word in (tmp_path / "pids").read_text().split()]


def test_it_wants_a_key_that_no_list_of_processes_shows(server: StartedServer, tmp_path: Path) -> None:
    server.start()
    assert server._names() == ["m"]
    key = server.key
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in (*pids(tmp_path), server._process.pid)]
    assert all(commands)
    assert not any(key in one for one in commands)
    server.key = "another"
    assert server._names() is started.STRANGER


def test_nothing_of_it_is_left_when_it_is_closed(server: StartedServer, tmp_path: Path) -> None:
    server.start()
    assert all(map(alive, pids(tmp_path)))
    server.close()
    assert gone(*pids(tmp_path))


@pytest.mark.parametrize("victim", ["job", "server", "keeper"])
def test_nothing_is_left_when_one_of_them_is_killed(victim: str, tmp_path: Path) -> None:
    """The job, with all that it can do about it; the server, whose child lives in another session; the keeper."""
    with Behind() as backend:
        cfg = config(command=command(backend, "--child", str(tmp_path / "pids")))
        code = (
            "import sys, time; from pathlib import Path\n"
            "from superficial.config.schema.server import StartedConfig\n"
            "from superficial.inference.server.started import Serving, StartedServer\n"
            "cfg = StartedConfig.model_validate_json(sys.argv[1])\n"
            "one = StartedServer(cfg, Serving('/no', 'm', 'float32', 512, 0, {}), Path(sys.argv[2]), 'engine e')\n"
            "one.start(); print(one._process.pid, flush=True)\n"
            "one.check(60)"
        )
        words = [sys.executable, "-c", code, cfg.model_dump_json(), str(tmp_path / "log")]
        job = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert job.stdout is not None
        keeper = int(job.stdout.readline())
        serving, child = pids(tmp_path)
        os.kill({"job": job.pid, "server": serving, "keeper": keeper}[victim], signal.SIGKILL)
        said = job.communicate(timeout=30)[1]
    assert gone(serving, keeper)
    if victim != "keeper":  # who kept the child is dead: it is init's
        assert gone(child)
    else:
        os.kill(child, signal.SIGKILL)
    if victim == "server":
        assert "the server died under way (exit code 137): it was killed" in said


def test_a_taken_port_is_left_to_whom_it_belongs(
    server: StartedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server, with other models and another key or none, may stand there."""
    with Faulty() as other:
        ports = iter([other.server_address[1], free := started.free_port()])
        monkeypatch.setattr(started, "free_port", lambda: next(ports))
        server.start()
    assert server.base_url == f"http://127.0.0.1:{free}/v1"
    assert server._names() == ["m"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"more": ("--fail", "'ValueError: no such model'")}, r"did not start \(exit code 1\): ValueError: no such model"),
        ({"python": "/no/python"}, r"did not start.*/no/python"),
        ({"start_s": 0.01}, r"not up within engine.start_s=0.01"),
    ],
)  # fmt: skip
def test_why_it_did_not_start(changes: dict[str, object], expected: str, tmp_path: Path) -> None:
    with Behind() as backend:
        cfg = config(command=command(backend, *changes.pop("more", ())), **changes)
        with pytest.raises(UserError, match=f"(?s)engine e, log .*{expected}") as error:
            StartedServer(cfg, SERVING, tmp_path / "log", "engine e").start()
    assert "\n" not in str(error.value)


def test_an_interpreter_without_the_package_is_named() -> None:
    assert version(config(command="x")) == "unknown"
    assert version(config(command="x", packages=["nobody-has-this", "pytest"])) == f"pytest {pytest.__version__}"
    with pytest.raises(UserError, match=r"has no package vllm-of-nobody.*make vllm"):
        version(config(command="x", packages=["vllm-of-nobody"]))
    with pytest.raises(UserError, match=r"cannot run /no/python: No such file.*make vllm"):
        version(config(command="x", python="/no/python", packages=["vllm"]))


def test_a_command_that_cannot_be_filled_is_refused() -> None:
    with pytest.raises(ValueError, match="'modle' is none of python, model"):
        config(command="serve {modle}")
