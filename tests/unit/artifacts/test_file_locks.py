"""A folder on a file system without locks: everything works there but what only locks can tell."""

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Any

import pytest

from superficial.artifacts.file_locks import lock_file
from superficial.artifacts.files import whole_file, whole_folder
from superficial.artifacts.store import Store
from superficial.inference.server.claims import Claims
from superficial.inference.server.ledger import Ledger
from superficial.pipeline.snakemake_lock import release_stale_lock


@pytest.fixture(params=[errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Lustre mounted without `flock`: both kinds of locks fail."""

    def fail(*_: Any) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", fail)
    monkeypatch.setattr(fcntl, "lockf", fail)


@pytest.mark.usefixtures("no_locks")
def test_artifacts_appear_whole(tmp_path: Path):
    for text in ("one", "two"):
        with whole_file(tmp_path / "a.txt") as partial:
            partial.write_text(text)
        with whole_folder(tmp_path / "m") as folder:
            (folder / "weights").write_text(text)
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "m/weights").read_text() == "two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "m"]


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize(("hours", "left"), [(1, True), (25, False)])
def test_what_nobody_wrote_to_for_a_day_is_deleted(tmp_path: Path, hours: int, left: bool):
    other = tmp_path / ".a-x1.txt"
    other.write_text("half")
    os.utime(other, times=(time.time() - 3600 * hours,) * 2)
    with whole_file(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
    assert other.exists() == left


@pytest.mark.usefixtures("no_locks")
@pytest.mark.fault("operating system", "the file system has no locks", "handled")
def test_stores_keep_what_is_put(tmp_path: Path):
    store = Store(tmp_path / "s.jsonl")
    store.put({"a": 1})
    store.put({"b": 2})
    assert (Store(tmp_path / "s.jsonl")["a"], Store(tmp_path / "s.jsonl")["b"]) == (1, 2)
    ledger = Ledger(tmp_path / "l.jsonl")
    ledger.answer("0" * 64, {"text": "So."}, usd=0.5, tokens={}, seconds=1.0)
    assert "answered" in (tmp_path / "l.jsonl").read_text()


@pytest.mark.usefixtures("no_locks")
def test_a_claim_holds_within_the_process(tmp_path: Path):
    claims = Claims(tmp_path / "c")
    with claims.claim("ab" * 32) as mine, claims.claim("ab" * 32) as again:
        assert (mine, again) == (True, False)
    with claims.claim("ab" * 32) as mine:
        assert mine


@pytest.mark.usefixtures("no_locks")
def test_a_run_starts_and_leaves_the_lock_of_another(tmp_path: Path):
    lock = tmp_path / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    alive = release_stale_lock(tmp_path / ".snakemake")
    assert alive is not None
    alive.close()
    assert lock.exists()


def test_other_errors_are_no_missing_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "broken disk")

    with open(tmp_path / "a", "ab") as one, open(tmp_path / "a", "ab") as other:
        assert (lock_file(one), lock_file(other, wait=False)) == (True, False)
        monkeypatch.setattr(fcntl, "flock", fail)
        with pytest.raises(OSError, match="broken disk"):
            lock_file(one)
