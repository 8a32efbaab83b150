"""The report stage: a caption for every figure and table, a page for every table, and the report's first words."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from superficial.artifacts.files import whole_file, write_sidecar
from superficial.artifacts.table import read_table
from superficial.config.schema import ReportStage, RuntimeConfig
from superficial.views.notes.caption import caption_file, plain
from superficial.views.report.entries import report_entry
from superficial.views.report.facts import facts
from superficial.views.report.grid import rst_text
from superficial.views.report.pages import page
from superficial.views.report.paper import GRIDS, grid_of

# Scores are drawn as radars, too: their captions show the numbers of the table.
SAME = {"figures/aspects_radar": "tables/scores"}
BROWSER = "`Shift browser <browser/index.html>`__: every response, and at every token what both models would have said."


def run(cfg: ReportStage, runtime: RuntimeConfig, *, manifest: Path, out: list[Path]) -> None:
    """Write what `out` names: NAME.rst captions, NAME.html pages of tables, overview.rst.

    Figures and tables lie in the folder of the `manifest`.
    """
    started = time.monotonic()
    results = manifest.parent
    made = json.loads(manifest.read_text(encoding="utf-8"))
    files = {name: results / f"{name}.csv" for name in made["results"] if (results / f"{name}.csv").is_file()}
    for path in out:
        with whole_file(path) as partial:
            partial.write_text(_written(path, cfg, made, files, results), encoding="utf-8")
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="report", config=config, inputs={"manifest": manifest}, started=started, facts={})


def _written(path: Path, cfg: ReportStage, made: Mapping[str, Any], files: Mapping[str, Path], results: Path) -> str:
    name = f"{path.parent.name}/{path.stem}"
    if path.name == "overview.rst":
        return overview(cfg, made, (results / "browser/index.html").is_file())
    if path.suffix == ".rst":
        return caption(name, cfg, made, files)
    if name == "tables/paper":
        return page(report_entry(name).title, paper_markdown(cfg, files))
    return page(report_entry(name).title, (results / f"{name}.md").read_text(encoding="utf-8"))


def caption(name: str, cfg: ReportStage, made: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    """What a result shows and what it depends on, as reStructuredText."""
    said = caption_file(files[name]) if name in files else None
    text = plain(said.read_text(encoding="utf-8")) if said and said.is_file() else report_entry(name).text
    lines = [rst_text(text), ""]
    if name in made["results"]:
        table = read_table(files[name]) if name in files else None
        for about, statements in facts(name, made, table).items():
            lines += [f":{about}: {'; '.join(map(rst_text, statements))}"]
    grid = grid_of(SAME.get(name, name), cfg, files)
    return "\n".join([*lines, "", grid.rst() if grid else "", ""])


def paper_markdown(cfg: ReportStage, files: Mapping[str, Path]) -> str:
    """Every grid that there is."""
    grids = [grid for name in GRIDS if (grid := grid_of(name, cfg, files)) is not None]
    return "\n".join(grid.markdown() for grid in grids) or "This run made nothing that the paper prints."


def overview(cfg: ReportStage, made: Mapping[str, Any], browser: bool) -> str:
    """The first words: what was compared, where the browser is, how to check the results."""
    pairs = [pair.title for pair in cfg.pairs]
    lines = ["**How superficial is alignment?**", ""]
    lines += [f"This run: {rst_text('; '.join(pairs))}." if pairs else "Published outputs and judgments.", ""]
    lines += [BROWSER, ""] if browser else []
    lines += [f"{len(made['results'])} figures and tables, {len(made['artifacts'])} artifacts behind them:"]
    lines += ["`manifest.json <manifest.json>`__ names every one; ``make verify`` compares them with it.", ""]
    lines += ["*" + rst_text("Results") + "* on the left has them by subject with captions, *Statistics* the runtimes."]
    return "\n".join([*lines, ""])
