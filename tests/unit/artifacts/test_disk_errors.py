"""What the system refuses: each ends in one line and an exit code, and what was finished stays."""

import errno
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from support.stage import data_stage, stage, told

from superficial import __main__ as entry
from superficial.artifacts import disk
from superficial.artifacts.disk import disk_errors
from superficial.artifacts.errors import UserError
from superficial.artifacts.files import whole_file, whole_folder
from superficial.artifacts.job_log import INTERRUPTED
from superficial.artifacts.store import Store
from superficial.inference.server.ledger import Ledger

LASTING = {
    "the disk is full": (errno.ENOSPC, "free space"),
    "the user's quota is used up": (errno.EDQUOT, "free space"),
    "the file system is read-only": (errno.EROFS, "can be written"),
    "the folder belongs to somebody else": (errno.EACCES, "change the permissions"),
    "files may not grow so large": (errno.EFBIG, "ulimit -f"),
    "a name is too long": (errno.ENAMETOOLONG, "shorter names"),
    "a folder has the file's name": (errno.EISDIR, "name another file"),
    "the name is that of the current folder, or of a mount": (errno.EBUSY, "name another file"),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text('{"instruction": "What is tea?"}\n')
    return path


@pytest.mark.fault(
    "operating system", LASTING, "one line that names the file and what helps; exit code 2; the old file stays"
)
@pytest.mark.parametrize("case", LASTING)
def test_what_cannot_be_written_is_one_line(
    case: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    code, remedy = LASTING[case]
    out = tmp_path / "results/x.parquet"
    assert data_stage(source, out) == 0
    before = out.read_bytes()

    def refuse(**_: object) -> None:
        raise OSError(code, os.strerror(code), str(out))

    capfd.readouterr()
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert data_stage(source, out) == entry.MISTAKE
    line = told(capfd)
    assert str(out) in line
    assert remedy in line
    assert out.read_bytes() == before


LIMITED = """
import json, resource, sys
from support.stage import data_stage
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.exit(data_stage(Path(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.mark.fault(
    "operating system",
    "a real limit on the size of files is met in the middle of a write",
    "one line; exit code 2; nothing half-written",
)
def test_a_real_limit_on_files(tmp_path: Path):
    path, out = tmp_path / "in.jsonl", tmp_path / "out/x.parquet"
    path.write_text("".join(json.dumps({"instruction": os.urandom(200).hex()}) + "\n" for _ in range(50)))
    # Under the limit, what measures coverage could not write its own file.
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), str(out)], capture_output=True, text=True,
        env=unmeasured | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert run.returncode == entry.MISTAKE, run.stderr
    assert "larger than this system allows" in run.stderr
    assert run.stderr.count("\n") == 1
    assert list(out.parent.iterdir()) == []


FOREIGN = {
    "safetensors": "I/O error: No space left on device (os error 28)",
    "Arrow": "[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device",
}


@pytest.mark.fault(
    "operating system", "the disk is full while safetensors or Arrow write", "the same line as for any other file"
)
@pytest.mark.parametrize("library", FOREIGN)
def test_libraries_report_a_full_disk_in_their_own_way(library: str, tmp_path: Path):
    with pytest.raises(UserError, match="the disk is full"), whole_file(tmp_path / "x"):
        raise RuntimeError(FOREIGN[library])


@pytest.mark.fault(
    "operating system",
    "a file that is read for an output may not be read",
    "one line that names that file, not the output",
)
def test_a_refusal_names_the_file_that_was_refused(tmp_path: Path):
    other = tmp_path / "elsewhere/secret.jsonl"
    with pytest.raises(UserError, match=r"secret\.jsonl: permission denied"), disk_errors(tmp_path / "results/x.csv"):
        raise PermissionError(errno.EACCES, "Permission denied", str(other))


@pytest.mark.fault(
    "operating system",
    "a disk reports an input/output error, which may pass",
    "one line; exit code 1, so that the workflow tries again",
)
def test_what_may_pass_is_no_mistake_of_the_users(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    def broken(**_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(tempfile, "mkstemp", broken)
    assert data_stage(source, tmp_path / "x.parquet") == 1
    assert "Input/output error | --debug tells where it came from" in told(capfd)


@pytest.mark.fault(
    "operating system", "a store of answers cannot grow", "one line; exit code 2; the answers that it holds stay"
)
def test_a_store_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = Store(tmp_path / "s.jsonl")
    store.put({"a": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match=r"s\.jsonl: the disk is full"):
            store.put({"b": 2})
    assert Store(tmp_path / "s.jsonl")["a"] == 1


@pytest.mark.fault("operating system", "a file stands where a folder of results belongs", "one line; exit code 2")
def test_a_file_in_the_place_of_a_folder(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "results").touch()
    assert data_stage(source, tmp_path / "results/data/x.parquet") == entry.MISTAKE
    assert "a file or link stands where a folder belongs" in told(capfd)


@pytest.mark.fault(
    "operating system",
    "a link stands where the folder of a model is made",
    "one line; exit code 2; what it points to stays",
)
def test_a_link_in_the_place_of_a_folder(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/weights").touch()
    (tmp_path / "model").symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match="a file or link stands"), whole_folder(tmp_path / "model") as folder:
        (folder / "new").touch()
    assert (tmp_path / "mine/weights").exists()
    assert not (tmp_path / ".model.partial").exists()


@pytest.mark.fault("operating system", "results is a link into another file system", "handled")
def test_results_behind_a_link(source: Path, tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    assert data_stage(source, tmp_path / "results/data/x.parquet") == 0
    assert len(pd.read_parquet(tmp_path / "disk/data/x.parquet")) == 1


@pytest.mark.fault(
    "operating system", "paths of 200 characters, with spaces, quotes and letters of other scripts", "handled"
)
def test_long_and_foreign_paths(tmp_path: Path):
    folder = tmp_path / ("模型 'ergebnis' \"día\" " + "x" * 120) / "наборы данных" / "é"
    folder.mkdir(parents=True)
    path = folder / "指示 1.jsonl"
    path.write_text('{"instruction": "What is tea?"}\n')
    assert data_stage(path, folder / "out=1/x.parquet") == 0
    meta = json.loads((folder / "out=1/x.parquet.meta.json").read_text())
    assert meta["inputs"]["source"]["path"] == str(path)


@pytest.mark.fault("operating system", "a real file name beyond 255 bytes", "one line; exit code 2")
def test_a_name_that_no_file_system_takes(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    assert data_stage(source, tmp_path / f"{'ö' * 130}.parquet") == entry.MISTAKE
    assert "too long for this file system" in told(capfd)


@pytest.mark.fault(
    "operating system",
    "the clock is set back by years between two runs",
    "handled: nothing hangs on it, temporary files of living writers stay",
)
def test_the_clock_is_set_back(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "x.parquet"
    assert data_stage(source, out) == 0
    first, now = out.read_bytes(), time.time()
    with whole_file(out) as living:
        living.touch()
        monkeypatch.setattr(time, "time", lambda: now - 1e8)
        assert data_stage(source, out) == 0
        assert living.exists()
    assert out.read_bytes() == b""  # the writer that ended last
    assert data_stage(source, out) == 0
    assert out.read_bytes() == first
    ledger = Ledger(tmp_path / "ledger.jsonl")
    assert ledger.ask("k", usd=0.0, max_usd=None, max_requests=2)
    ledger.answer("k", {"choices": []}, usd=0.0, tokens={}, seconds=0.0)
    assert "k" in Ledger(tmp_path / "ledger.jsonl")


@pytest.mark.fault(
    "operating system", "an error cannot be left for the end of the run either", "the same line, once; exit code 2"
)
def test_an_error_that_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("SUPERFICIAL_ERRORS", str(tmp_path / "nowhere/errors"))
    (tmp_path / "in.jsonl").touch()
    assert data_stage(tmp_path / "in.jsonl", tmp_path / "x.parquet") == entry.MISTAKE
    assert "the dataset is empty" in told(capfd)


def replaced(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the data stage raise `error`."""

    def run(**_: object) -> None:
        raise error

    config = entry.STAGES["data"].config
    monkeypatch.setattr(entry, "STAGES", {"data": SimpleNamespace(config=config, run=lambda *_, **files: run())})


@pytest.mark.fault("operating system", "Python finds no memory", "one line that names the settings; exit code 2")
@pytest.mark.fault(
    "operating system", "torch finds no memory on the processor", "one line that names the settings; exit code 2"
)
@pytest.mark.parametrize("library", ["python", "torch"])
def test_too_little_memory(
    library: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    error: Exception = MemoryError()
    if library == "torch":
        with pytest.raises(RuntimeError) as caught:
            torch.empty(2**60)
        error = caught.value
    replaced(monkeypatch, error)
    assert data_stage(source, tmp_path / "x.parquet") == entry.MISTAKE
    assert "too little memory" in (line := told(capfd))
    assert "runtime.generate_batch" in line


@pytest.mark.fault(
    "operating system",
    "an error that nobody expected, called by hand",
    "one line and exit code 1; --debug adds the traceback",
)
@pytest.mark.fault(
    "operating system",
    "an error that nobody expected, in a job of the workflow",
    "one line that names the log, which has the traceback; exit code 1",
)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("debug", [False, True])
def test_a_traceback_is_shown_on_demand(
    debug: bool, log: bool, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):  # fmt: skip
    replaced(monkeypatch, KeyError("turns"))
    more = (["--log", str(tmp_path / "job.log")] if log else []) + (["--debug"] if debug else [])
    try:
        code = data_stage(source, tmp_path / "x.parquet", *more)
    except SystemExit as end:
        code = int(str(end.code))
    said = capfd.readouterr().err
    assert code == 1
    assert ("Traceback" in said) == debug
    assert "error: KeyError: 'turns' | " in said.splitlines()[-1]
    if log:
        assert "Traceback" in (tmp_path / "job.log").read_text()


@pytest.mark.fault(
    "operating system", "Ctrl-C in the middle of a stage", "one line; exit code 130; what was finished is kept"
)
def test_an_interrupt_is_one_line(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    replaced(monkeypatch, KeyboardInterrupt())
    assert data_stage(source, tmp_path / "x.parquet", "--log", str(tmp_path / "x.log")) == 130
    assert capfd.readouterr().err == f"{INTERRUPTED}\n"
    assert (tmp_path / "x.log").read_text().splitlines()[-1] == INTERRUPTED  # where the display of the run looks


@pytest.mark.fault("operating system", "the log of a job cannot be written", "one line; exit code 2")
def test_a_log_that_cannot_be_written(source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "logs").touch()
    assert data_stage(source, tmp_path / "x.parquet", "--log", str(tmp_path / "logs/x.log")) == entry.MISTAKE
    assert "a file or link stands" in told(capfd)


@pytest.mark.fault(
    "operating system",
    "the reader of a command's output goes away (`... | head`)",
    "exit code 1, and nothing more is said",
)
def test_a_reader_that_goes_away(tmp_path: Path):
    script = (
        "import sys; from types import SimpleNamespace; from superficial import __main__ as m\n"
        "m.COMMANDS = {'prompt': SimpleNamespace(module='many', planned=False)}\nm.enter_project = list\n"
        "def lines(words):\n    [print('x' * 999, flush=True) for _ in range(9999)]\n"
        "sys.modules['many'] = SimpleNamespace(main=lines)\n"
        "sys.exit(m.main(['prompt']))"
    )
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.read(10)
    run.stdout.close()
    assert run.wait() == 1
    assert run.stderr.read() == b""
    run.stderr.close()


@pytest.mark.fault("configuration", "a stage is called by hand with a slice of another stage", "one line; exit code 2")
def test_a_slice_that_does_not_fit(capfd: pytest.CaptureFixture[str]):
    assert stage("data", {"name": "x", "path": "x", "limits": 3}) == entry.MISTAKE
    assert "--cfg: limits: Extra inputs are not permitted" in told(capfd)


@pytest.mark.fault("configuration", "a stage is called by hand without a file that it needs", "one line; exit code 1")
def test_a_stage_without_its_files(capfd: pytest.CaptureFixture[str]):
    assert stage("data", {"name": "x", "path": "x", "limit": None}) == 1
    assert "missing" in told(capfd)


def test_folders_are_looked_after_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    flushed: list[Path] = []
    monkeypatch.setattr(disk, "flush", flushed.append)
    for name in ("one", "two"):
        with whole_file(tmp_path / "a/b" / name) as partial:
            partial.touch()
    assert flushed[:2] == [tmp_path / "a", tmp_path]
    assert len(flushed) == len(set(flushed))
