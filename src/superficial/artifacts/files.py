"""Artifacts: files that appear whole or not at all, each with a sidecar that says where it came from."""

import glob
import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from superficial.artifacts.disk import disk_errors, flush, make_folder
from superficial.artifacts.errors import UserError
from superficial.artifacts.file_locks import lock_file
from superficial.artifacts.job import current_job

SIDECAR = ".meta.json"
PACKAGE = Path(__file__).resolve().parents[1]
PACKAGES = ("superficial", "torch", "transformers", "peft", "pandas", "pyarrow", "numpy", "matplotlib", "seaborn")


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spare space: equal values give equal text, so it can be hashed and compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_all(values: Iterable[Any]) -> str:
    """`digest` of the list of `values`, which need never be in memory at once.

    >>> digest_all(iter([1, [2]])) == digest([1, [2]])
    True
    """
    found, between = hashlib.sha256(b"["), b""
    for value in values:
        found.update(between + canonical(value).encode())
        between = b","
    found.update(b"]")
    return found.hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, read in pieces."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed over `path`.

    The temporary name keeps the suffix, because some writers choose their format by it. It is locked while its writer
    lives, so that what a killed one left behind can be told from it, and is deleted by the next.
    """
    make_folder(path.parent)
    _delete_abandoned(path)
    with disk_errors(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    lock_file(handle)
    partial = Path(name)
    try:
        with disk_errors(path):
            yield partial
            flush(partial)
            partial.chmod(0o644)
            partial.replace(path)
            flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)
        os.close(handle)


def _delete_abandoned(path: Path) -> None:
    """Delete temporary files for `path` that no process holds any more; a new one has a minute to get its lock.

    Where there are no locks, a file counts as abandoned when it was not written to for a day.
    """
    for file in path.parent.glob(f".{glob.escape(path.stem)}-*{path.suffix}"):
        with suppress(OSError), open(file, "rb") as handle:  # it may vanish at any moment, or be locked
            age = time.time() - os.fstat(handle.fileno()).st_mtime
            if age > 60 and (free := lock_file(handle, wait=False)) is not False and (free or age > 86400):
                file.unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; on success its files are flushed and it replaces `path`.

    A UserError when another process is making the same folder: one of a killed run may have outlived it.
    """
    make_folder(path.parent)
    partial = path.parent / f".{path.name}.partial"
    with disk_errors(path):
        partial.mkdir(exist_ok=True)
    handle = os.open(partial, os.O_RDONLY)
    if lock_file(handle, wait=False) is False:
        os.close(handle)
        raise UserError(
            "another process is making it", where=str(path), remedy="wait for its end, then run the same command again"
        )
    try:
        for left in partial.iterdir():  # by a writer that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        with disk_errors(path):
            yield partial
            for file in (*partial.rglob("*"), partial):
                flush(file)
            shutil.rmtree(path, ignore_errors=True)
            partial.replace(path)
            flush(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(handle)


def write_sidecar(
    made: Path | Sequence[Path],
    *,
    stage: str,
    config: Any,
    inputs: Mapping[str, Path],
    started: float,
    facts: Mapping[str, Any],
    others: Path | None = None,
) -> None:
    """Write `{path}.meta.json` beside what was `made`: how it was made, and all that may differ next time.

    `made` is a file, several, or a folder. Files that differ in their suffix only are forms of one artifact: it has one
    sidecar, beside the first. `inputs` are named here, or were given to the job (see `artifacts/job.py`); `started` is
    `time.monotonic()` at the start of the stage; `facts` are counts and rates of the stage. `others` is a folder inside
    the one made that belongs to another stage, whichever of the two comes first.
    """
    named = {str(file): name for name, file in inputs.items()}
    read = {named.get(str(file), str(file)): file for file in (*inputs.values(), *current_job().inputs)}
    code = {file for file in (*current_job().code, *read.values()) if file.is_relative_to(PACKAGE)}
    meta = {
        "stage": stage,
        "config": config,
        "inputs": {
            name: {"path": str(file), "sha256": file_sha256(file)} for name, file in read.items() if file not in code
        },
        "code": {str(file.relative_to(PACKAGE.parent)): file_sha256(file) for file in sorted(code)},
        "git": _git_state(),
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "wall_seconds": round(time.monotonic() - started, 3),
        **facts,
    }
    artifacts: dict[Path, list[Path]] = {}
    for path in [made] if isinstance(made, Path) else made:
        artifacts.setdefault(path.with_suffix(""), []).append(path)
    for forms in artifacts.values():
        files = [file for path in forms for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
        if others:  # its sidecar, and what is not finished in it, are not ours either
            files = [file for file in files if others.name not in file.relative_to(others.parent).parts[0]]
        outputs = {str(file): file_sha256(file) for file in files if file.is_file()}
        with whole_file(sidecar_of(forms[0])) as partial:
            text = json.dumps(meta | {"outputs": outputs}, indent=2, sort_keys=True, ensure_ascii=False)
            partial.write_text(text + "\n", encoding="utf-8")


def sidecar_of(path: Path) -> Path:
    """The sidecar beside `path`."""
    return path.with_name(path.name + SIDECAR)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git_state() -> dict[str, Any]:
    """Commit and dirty flag of the checkout that the package runs from; empty outside a checkout."""

    def git(*args: str) -> str:
        return subprocess.run(
            ["git", "-C", str(PACKAGE), *args], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return {}
