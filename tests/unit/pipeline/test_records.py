"""Records that Snakemake lacks, written from sidecars; rules are stand-ins."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest

from superficial.artifacts.files import PACKAGE
from superficial.pipeline.provenance.records import recall

CODE = "superficial/artifacts/files.py"


class Rule:
    """A rule that makes every CSV from `inputs`."""

    name = "stats"

    def __init__(self, inputs: list[str], **params: Any) -> None:
        self._inputs, self.params = inputs, params

    def is_producer(self, file: str) -> bool:
        return file.endswith(".csv")

    def get_wildcards(self, file: str) -> dict[str, str]:
        return {}

    def expand_input(self, wildcards: dict[str, str]) -> tuple[list[str], ...]:
        return (self._inputs,)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(name: str, **meta: Any) -> Path:
    """An artifact and its sidecar."""
    file = Path("results") / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("made")
    entry = {"path": "results/data.parquet", "sha256": "d" * 64}
    whole = {"stage": "stats", "config": {"b": "</x>", "a": 1}, "inputs": {"data": entry}, "code": {CODE: "c" * 64},
             "finished": "2026-01-02T03:04:05Z", "wall_seconds": 5, "outputs": {str(file): "0"}}  # fmt: skip
    Path(f"{file}.meta.json").write_text(json.dumps(whole | meta))
    return file


def records() -> dict[str, Any]:
    folder = Path(".snakemake/metadata")
    found = {}
    for file in filter(Path.is_file, folder.rglob("*")):
        name = "".join(part.removeprefix("@") for part in file.relative_to(folder).parts)
        found[urlsafe_b64decode(name).decode()] = json.loads(file.read_text())
    return found


def found(inputs: list[str], **params: Any) -> int:
    return recall([Rule(inputs, **(params or {"cfg": "x"}))], Path("results"), Path(".snakemake"))


def test_a_record_says_what_the_sidecar_knows(folder: Path):
    long = "deep/" * 60
    made = [make("a.csv"), make(f"{long}b.csv"), make(".store/c.csv"), make("other.txt")]
    code = str(PACKAGE.parent / CODE)
    assert found(["results/data.parquet", code, "results/.shards/k/all"]) == 2
    assert records().keys() == {str(made[0]), str(made[1])}
    record = records()["results/a.csv"]
    assert record["params"] == [repr('{"a":1,"b":"<\\/x>"}')]
    assert record["input"] == sorted(["results/data.parquet", code, "results/.shards/k/all"])
    assert record["input_checksums"] == {"results/data.parquet": "sha256:" + "d" * 64, code: "sha256:" + "c" * 64}
    assert record["endtime"] - record["starttime"] == 5


def test_an_input_that_nobody_read_is_seen(folder: Path):
    make("a.csv")
    found(["results/data.parquet", "results/new.parquet"])
    assert records()["results/a.csv"]["input"] == [str(PACKAGE.parent / CODE), "results/data.parquet"]


def test_only_a_slice_is_compared(folder: Path):
    make("a.csv")
    found([], aside=["x"])
    assert records()["results/a.csv"]["params"] is None
    (folder / ".snakemake/metadata").rename(folder / "aside")
    found([], files="x")
    assert records()["results/a.csv"]["params"] == []


def test_a_record_that_is_there_stays(folder: Path):
    make("a.csv")
    found([])
    before = records()
    make("a.csv", config={"a": 2})
    assert found([]) == 0
    assert records() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"outputs": {"results/a.csv": "0"}}'])
def test_what_is_no_sidecar_is_left_alone(text: str, folder: Path):
    Path(f"{make('a.csv')}.meta.json").write_text(text)
    assert found([]) == 0
    assert records() == {}
