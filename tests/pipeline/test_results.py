"""What a finished run says about itself: sidecars, manifest, report."""

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.chromium import asked_for, errors, needs_chromium, show, start
from support.project import Project

from superficial.pipeline.stages import PACKAGE


def verify(project: Project) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "superficial", "verify"]
    return subprocess.run(command, cwd=project.folder, capture_output=True, text=True)


MARKERS = "results/.shards/"  # that shards are done: empty, and gone when they were read


def made_from(project: Project) -> Iterator[tuple[str, set[Path]]]:
    """Every file that Snakemake has made, with the inputs of its rule, as it recorded them."""
    folder = project.folder / ".snakemake/metadata"
    for record in filter(Path.is_file, folder.rglob("*")):
        name = "".join(part.removeprefix("@") for part in record.relative_to(folder).parts)
        inputs = json.loads(record.read_text())["input"]
        made = base64.b64decode(name).decode()
        if not made.startswith(MARKERS):
            yield made, {Path(path) for path in inputs if not path.startswith(MARKERS)}


def test_every_artifact_has_a_sidecar_that_names_every_input(finished: Project):
    sidecars = [json.loads(path.read_text()) for path in (finished.folder / "results").rglob("*.meta.json")]
    by_file = {file: meta for meta in sidecars for file in meta["outputs"]}
    known = dict(made_from(finished))
    assert len(known) > 50
    for file, inputs in known.items():
        meta = by_file[file]
        assert {"config", "git", "packages", "wall_seconds"} <= set(meta)
        recorded = {Path(entry["path"]) for entry in meta["inputs"].values()}
        code = {PACKAGE.parent / path for path in meta["code"]}
        assert inputs <= recorded | code, file
        for entry in meta["inputs"].values():
            assert hashlib.sha256((finished.folder / entry["path"]).read_bytes()).hexdigest() == entry["sha256"]


def test_the_manifest_names_what_is_behind_every_figure(finished: Project, tmp_path: Path):
    manifest = json.loads((finished.folder / "results/manifest.json").read_text())
    figures = {
        str(path.with_suffix("").relative_to(finished.folder / "results"))
        for path in finished.folder.glob("results/figures/*.pdf")
    }
    assert figures | {"figures/shift_browser", "tables/scores"} <= set(manifest["results"])
    shift = manifest["results"]["figures/shift_ratio"]
    assert shift["models"] == ["tiny_aligned", "tiny_base"]
    assert "results/scores/tiny/tiny/base.zero_shot.safetensors" in shift["chain"]
    assert manifest["models"]["tiny_base"]["licence"] == "none"
    behind = {name for entry in manifest["results"].values() for name in entry["chain"]}
    assert behind == set(manifest["artifacts"])

    moved = finished.copy(tmp_path / "moved")
    verified = verify(moved)
    assert verified.returncode == 0, verified.stdout
    (moved.folder / "results/stats/tiny/tiny/zero_shot/ratios.csv").write_text("category\n")
    (moved.folder / "results/figures/shift_ratio.png").unlink()
    verified = verify(moved)
    lines = verified.stdout.splitlines()
    assert verified.returncode == 1
    assert lines[0] == "missing: results/figures/shift_ratio.png"
    assert lines[1].startswith("altered: results/stats/tiny/tiny/zero_shot/ratios.csv, sha256 is ")
    assert sorted(line.split(",")[0] for line in lines[2:-1]) == [
        "stale: results/figures/shift_example.pdf", "stale: results/figures/shift_ratio.pdf",
        "stale: results/tables/findings.csv",
    ]  # fmt: skip


@needs_chromium
def test_the_report_opens_offline_and_captions_everything(finished: Project, tmp_path: Path):
    made = finished.copy(tmp_path / "reported")
    made.made("report")
    result = made.run("report", arguments=("--report", "results/report.html"))
    assert result.returncode == 0, result.stdout[-4000:]
    assert made.planned("report") == set()
    driver = start(tmp_path / "profile")
    try:
        show(driver, made.folder / "results/report.html")
        shown = driver.execute_script("return results")
        driver.execute_script("app.showResultInfo('results/figures/shift_ratio.svg')")
        assert "Llama-2-7b → Vicuna-7b-v1.5" in driver.execute_script("return document.body.textContent")
        assert "browser/index.html" in driver.execute_script("return workflow_desc")
        assert asked_for(driver) <= {"file", "data"}
        assert errors(driver) == []
    finally:
        driver.quit()
    figures = {
        f"results/{path.relative_to(made.folder / 'results')}" for path in made.folder.glob("results/figures/*.svg")
    }
    assert figures | {"results/report/tables/scores.html", "results/report/tables/paper.html"} <= set(shown)
    for path in figures:
        assert all(f"{about}" in shown[path]["caption"] for about in ("Settings", "Target", "Made by")), path
    assert "95 %, bootstrap over examples" in shown["results/figures/shift_ratio.svg"]["caption"]
    assert "6 responses" in shown["results/figures/shift_by_kind.svg"]["caption"]
    assert "A judge of 135M" in shown["results/figures/aspects_radar.svg"]["caption"]
