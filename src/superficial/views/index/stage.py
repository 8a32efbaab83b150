"""The stage `index_page`: results/index.html."""

import base64
import hashlib
import time
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from superficial.artifacts.files import whole_file, write_sidecar
from superficial.config.schema import ReportStage, RuntimeConfig
from superficial.views.index.entries import sections

SCRIPT = Path(__file__).resolve().parent / "assets" / "search.js"
REPORT = "report.html"


def run(cfg: ReportStage, runtime: RuntimeConfig, *, made: Path | list[Path], out: Path) -> None:
    """Write the page: `made` holds one file of every figure, table and set of pages, and the report if there is one."""
    started = time.monotonic()
    files = [made] if isinstance(made, Path) else made
    text = index(cfg, files, out.parent)
    with whole_file(out) as partial:
        partial.write_bytes(text.encode())
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="index_page", config=config, inputs={}, started=started, facts={"results": len(files)})


def index(cfg: ReportStage, made: list[Path], results: Path) -> str:
    """The whole page. It loads pictures beside it and nothing else; one script may run, known by its hash."""
    pages = Environment(
        loader=ChoiceLoader([PackageLoader(f"superficial.views.{name}") for name in ("index", "report")]),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    script = SCRIPT.read_text(encoding="utf-8")
    return pages.get_template("index.html").render(
        title="How superficial is alignment?",
        pairs=[pair.title for pair in cfg.pairs],
        sections=sections(made, results),
        report=REPORT if results / REPORT in made else "",
        script=Markup(script),
        hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
