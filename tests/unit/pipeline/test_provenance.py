"""The chain behind a figure, and what a changed file does to it: on files that no stage made."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from superficial.__main__ import main
from superficial.artifacts import files as artifact
from superficial.artifacts.errors import UserError
from superficial.artifacts.files import file_sha256, write_sidecar
from superficial.artifacts.job import doing
from superficial.pipeline.provenance.current import current
from superficial.pipeline.provenance.stage import build_manifest
from superficial.pipeline.provenance.verify import verify
from superficial.pipeline.stages import code_of

# Each artifact with what it was made from; the last two are shown.
GRAPH = {
    "results/models/m/manifest.json": ["resources/adapter.bin"],
    "results/data/d.parquet": ["resources/d.jsonl"],
    "results/responses/d/m/a.parquet": ["results/models/m/manifest.json", "results/data/d.parquet"],
    "results/stats/ratios.csv": ["results/responses/d/m/a.parquet"],
    "results/figures/shares.pdf": ["results/stats/ratios.csv"],
    "results/tables/words.csv": ["results/data/d.parquet"],
}
STAGE_OF = {"models": "model", "data": "data", "responses": "generate", "stats": "stats"}
SHOWN = [Path("results/figures/shares.pdf"), Path("results/tables/words.csv")]


def make(path: str, inputs: list[str]) -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    kind = file.parts[1]
    stage = STAGE_OF.get(kind, f"{kind}/{file.stem}")
    if stage == "model":
        weights = file.with_name("model.safetensors")
        weights.write_text("weights")
        manifest = {
            "name": "m",
            "title": "M",
            "licence": "MIT",
            "source": {"kind": "hub", "repo": "o/m", "revision": "0" * 40},
        }
        file.write_text(json.dumps(manifest | {"files": {weights.name: file_sha256(weights)}, "weights_sha256": "w"}))
    else:
        file.write_text(path + "".join(Path(name).read_text() for name in inputs if name.startswith("results")))
    forms = [file, file.with_suffix(".svg")] if kind == "figures" else [file]
    for form in forms[1:]:
        form.write_text("drawn")
    with doing({"reads": [Path(name) for name in inputs], "out": file}, code_of("data")):
        write_sidecar(forms, stage=stage, config={}, inputs={}, started=time.monotonic(), facts={})


def write_manifest() -> None:
    Path("results/manifest.json").write_text(json.dumps(build_manifest(SHOWN, Path("results"))))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(artifact, "_git_state", lambda: {"commit": "c" * 40, "dirty": False})  # git is slow
    Path("resources").mkdir()
    Path("resources/adapter.bin").write_text("adapter")
    Path("resources/d.jsonl").write_text("instructions")
    for path, inputs in GRAPH.items():
        make(path, inputs)
    write_manifest()
    return Path("results")


def test_the_manifest_names_the_chain_of_every_figure_and_table(results: Path) -> None:
    manifest = json.loads((results / "manifest.json").read_text())
    assert set(manifest["results"]) == {"figures/shares", "tables/words"}
    figure, table = manifest["results"]["figures/shares"], manifest["results"]["tables/words"]
    assert figure["chain"] == [
        "results/data/d.parquet", "results/models/m/manifest.json", "results/responses/d/m/a.parquet",
        "results/stats/ratios.csv", "results/figures/shares.pdf",
    ]  # fmt: skip
    assert figure["files"] == ["results/figures/shares.pdf", "results/figures/shares.svg"]
    assert (figure["models"], figure["inputs"]) == (["m"], ["resources/adapter.bin", "resources/d.jsonl"])
    assert figure["commits"] == [{"commit": "c" * 40, "dirty": False}]
    assert (table["models"], table["inputs"]) == ([], ["resources/d.jsonl"])
    assert manifest["models"]["m"]["licence"] == "MIT"
    assert manifest["models"]["m"]["source"]["revision"] == "0" * 40
    for name, inputs in GRAPH.items():
        made = manifest["artifacts"][name]
        assert set(made["inputs"]) == set(inputs)
        assert "superficial/data/stage.py" in manifest["sources"][made["sources"]]
    assert "results/models/m/model.safetensors" in manifest["artifacts"]["results/models/m/manifest.json"]["files"]


def test_equal_runs_have_equal_manifests(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = (results / "manifest.json").read_bytes()
    monkeypatch.setattr(artifact.socket, "gethostname", lambda: "elsewhere")
    monkeypatch.setattr(artifact.time, "strftime", lambda *_: "2000-01-01T00:00:00Z")
    for path, inputs in GRAPH.items():
        make(path, inputs)
    write_manifest()
    assert (results / "manifest.json").read_bytes() == first


def test_untouched_results_agree_wherever_they_lie(results: Path, tmp_path: Path) -> None:
    assert verify(results).lines() == []
    results.rename(tmp_path / "elsewhere")
    assert verify(tmp_path / "elsewhere").lines() == []


def test_states_that_were_deleted_once_compared_are_not_missing(results: Path) -> None:
    """Their sidecar says so, and stays."""
    file = results / "responses/d/m/a.parquet"
    sidecar = artifact.sidecar_of(file)
    for kept, findings in ((True, [f"missing: {file}"]), (False, [])):
        sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"kept": kept}))
        write_manifest()
        file.unlink(missing_ok=True)
        assert verify(results).lines() == findings


def append(path: str) -> None:
    with open(path, "a") as file:
        file.write("!")


@pytest.mark.parametrize(
    ("harm", "path", "findings"),
    [
        (append, "results/figures/shares.svg", ["altered: results/figures/shares.svg, sha256 is"]),
        (os.unlink, "results/figures/shares.svg", ["missing: results/figures/shares.svg"]),
        (append, "results/models/m/model.safetensors", ["altered: results/models/m/model.safetensors, sha256 is"]),
        (
            append,
            "results/stats/ratios.csv",
            [
                "altered: results/stats/ratios.csv, sha256 is",
                "stale: results/figures/shares.pdf, made from results/stats/ratios.csv, which has another sha256 now",
            ],
        ),
        (os.unlink, "results/stats/ratios.csv", ["missing: results/stats/ratios.csv"]),
        (
            append,
            "resources/adapter.bin",
            [
                "stale: results/models/m/manifest.json, made from resources/adapter.bin, which has another sha256 now",
                "stale: results/responses/d/m/a.parquet, made from results/models/m/manifest.json, which is stale",
                "stale: results/stats/ratios.csv, made from results/responses/d/m/a.parquet, which is stale",
                "stale: results/figures/shares.pdf, made from results/stats/ratios.csv, which is stale",
            ],
        ),
        (
            os.unlink,
            "resources/adapter.bin",
            ["missing: resources/adapter.bin, which results/models/m/manifest.json was made from"],
        ),
    ],
)
@pytest.mark.fault(
    "files", "artifacts were altered, deleted or replaced by hand", "`verify` names each in one line; exit code 1"
)
def test_one_line_for_each_harm(results: Path, harm: Callable[[str], None], path: str, findings: list[str]) -> None:
    harm(path)
    lines = verify(results).lines()
    assert len(lines) == len(findings)
    assert all(line.startswith(start) for line, start in zip(lines, findings, strict=True)), lines


def test_what_was_made_again_is_told_from_what_was_touched(results: Path) -> None:
    Path("resources/d.jsonl").write_text("others")
    make("results/data/d.parquet", GRAPH["results/data/d.parquet"])
    append("results/data/d.parquet")
    make("results/tables/words.csv", GRAPH["results/tables/words.csv"])
    altered = verify(results).altered
    assert altered[0].startswith("results/data/d.parquet, sha256 is")
    assert altered[1].startswith("results/tables/words.csv, made again after the manifest was written")


@pytest.mark.fault(
    "files", "an artifact was made by an older version of the code", "`verify` names it; the workflow makes it again"
)
def test_code_that_has_changed_is_named(results: Path) -> None:
    path = results / "manifest.json"
    manifest = json.loads(path.read_text())
    for sources in manifest["sources"].values():
        sources["superficial/data/stage.py"] = "0" * 64
        sources["superficial/gone.py"] = "0" * 64
    path.write_text(json.dumps(manifest))
    found = verify(results)
    assert len(found.stale) == len(GRAPH)
    code = "made by code that has changed: superficial/data/stage.py, superficial/gone.py"
    assert all(code in line for line in found.stale)


def test_a_file_without_sidecar_cannot_be_vouched_for(results: Path) -> None:
    (results / "stats/ratios.csv.meta.json").unlink()
    with pytest.raises(UserError, match=r"^results/stats/ratios\.csv: no sidecar"):
        build_manifest(SHOWN, results)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "null"])
@pytest.mark.fault("files", "there is no manifest to verify", "one line that names file, key and remedy; exit code 2")
def test_no_manifest_ends_in_one_line(results: Path, capsys: pytest.CaptureFixture[str], content: str | None) -> None:
    (results / "manifest.json").unlink()
    if content is not None:
        (results / "manifest.json").write_text(content)
    assert main(["verify", "results"]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: results/manifest.json: ")
    assert "snakemake --cores 8 figures/all" in line


def test_the_command_s_exit_code_says_whether_all_agrees(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0
    assert capsys.readouterr().out == "8 files behind 2 figures and tables are as the manifest says\n"
    append("results/figures/shares.svg")
    assert main(["verify", str(results)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("altered: results/figures/shares.svg")
    assert last == "8 files: 0 missing, 1 altered, 0 stale"


def test_forms_of_one_artifact_share_a_sidecar_and_tables_of_one_job_do_not(tmp_path: Path) -> None:
    made = [tmp_path / name for name in ("a.csv", "b.csv", "b.md")]
    for path in made:
        path.write_text(path.name)
    write_sidecar(made, stage="stats", config={}, inputs={}, started=time.monotonic(), facts={"n": 1})
    sidecars = {path.name: json.loads(path.read_text()) for path in tmp_path.glob("*.meta.json")}
    assert set(sidecars) == {"a.csv.meta.json", "b.csv.meta.json"}
    assert sidecars["a.csv.meta.json"]["outputs"] == {str(made[0]): file_sha256(made[0])}
    assert set(sidecars["b.csv.meta.json"]["outputs"]) == {str(made[1]), str(made[2])}
    assert all(meta["n"] == 1 for meta in sidecars.values())


def test_a_file_is_current_while_its_slice_and_its_inputs_are(results: Path) -> None:
    files = {path: "{}" for path in GRAPH if path.startswith(("results/data", "results/responses"))}
    made = "results/responses/d/m/a.parquet"
    assert current(files)
    assert not current(files | {made: '{"max_new_tokens": 8}'})
    assert not current(files | {"results/responses/d/m/b.parquet": "{}"})
    Path("resources/d.jsonl").write_text("other instructions")
    assert current({made: "{}"})
    assert not current(files)
    os.unlink("results/data/d.parquet")
    assert not current({made: "{}"})
