"""The page on which every token of an answer can be looked into: that of the shift browser, about these questions."""

from pathlib import Path

from superficial.config.schema import BrowserStage
from superficial.pipeline.run import Run
from superficial.pipeline.stages import STAGES

STAGE = "figures/shift_browser"


def write_page(run: Run, folder: Path, results: Path) -> Path:
    """Have the stage of the shift browser write its pages into `folder`; the page to open.

    In a folder of its own, so that `results/browser/` stays what `figures/all` made. No judge was asked. The name of
    the dataset is a digest, which tells a reader nothing.
    """
    shown = {"judge": None, "dataset_title": "your questions"}
    cfg = BrowserStage.model_validate_json(run.slice("browser")).model_copy(update=shown)
    index = folder / "browser" / "index.html"
    STAGES[STAGE].run(cfg, run.settings.runtime, results=results, out=index)
    pages = sorted((index.parent / "pairs").rglob("*.html"))
    return (pages[0] if len(pages) == 1 else index).resolve()
