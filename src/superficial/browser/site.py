"""The stage `figures/shift_browser`: an index of all examples, and a page for each of them."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.colors import to_hex

from superficial.artifact import whole_folder, write_sidecar
from superficial.browser.embed import embed
from superficial.browser.payload import Examples, index_entry, page_data
from superficial.browser.source import PairExamples
from superficial.category import CATEGORIES
from superficial.errors import UserError
from superficial.progress import progress
from superficial.schema import BrowserStage, ComparedPair, RuntimeConfig

ASSETS = Path(__file__).resolve().parent / "assets"


def run(cfg: BrowserStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Write `out`, the index page, and the rest of the site beside it. The sidecar lies beside the site's folder."""
    started = time.monotonic()
    pairs = {pair.name: PairExamples(cfg, pair, results) for pair in cfg.pairs}
    write_site(cfg, pairs, out.parent)
    inputs = {
        pair.name: results / "shifts" / cfg.dataset / pair.name / f"{cfg.context.name}.parquet" for pair in cfg.pairs
    }
    facts = {"examples": sum(map(len, pairs.values()))}
    config = cfg.model_dump(mode="json")
    write_sidecar(out.parent, stage="figures/shift_browser", config=config, inputs=inputs, started=started, facts=facts)


def write_site(cfg: BrowserStage, pairs: Mapping[str, Examples], folder: Path) -> None:
    """Write the whole site; `pairs` holds the examples of every pair in `cfg`. Equal examples give equal bytes."""
    pages = Environment(
        loader=PackageLoader("superficial.browser"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    with whole_folder(folder) as site:
        shutil.copytree(ASSETS, site / "assets", copy_function=shutil.copyfile)
        style = pages.get_template("colours.css").render(colours=_colours(cfg))
        _write(site / "assets" / "colours.css", style)
        listed = [_write_pair(pages, cfg, pair, pairs[pair.name], site) for pair in cfg.pairs]
        data = {"categories": list(CATEGORIES), "dataset": cfg.dataset, "context": cfg.context.name, "pairs": listed}
        _write(site / "index.html", pages.get_template("index.html").render(root="", data=embed(data)))


def _write_pair(
    pages: Environment, cfg: BrowserStage, pair: ComparedPair, examples: Examples, site: Path
) -> dict[str, Any]:
    """Write the example pages of one pair; returns its part of the index."""
    folder = f"pairs/{pair.name}"
    (site / folder).mkdir(parents=True)
    template = pages.get_template("example.html")
    entries = []
    with progress(f"pages of {pair.name}", len(examples), "examples") as bar:
        for number, example in enumerate(examples, start=1):
            entries.append(index_entry(example) | {"page": f"{folder}/{page_name(number)}"})
            data = page_data(example) | {
                "number": number,
                "previous": page_name(number - 1) if number > 1 else None,
                "next": page_name(number + 1) if number < len(examples) else None,
                "dataset": cfg.dataset,
                "pair": pair.title,
                "models": {"base": pair.base.title, "aligned": pair.aligned.title},
                "context": cfg.context.name,
            }
            page = template.render(root="../../", number=number, count=len(examples), data=embed(data))
            _write(site / folder / page_name(number), page)
            bar.update()
    return {"name": pair.name, "title": pair.title, "examples": entries}


def page_name(number: int) -> str:
    """File name of an example's page: its number, because an id may hold anything.

    >>> page_name(7)
    '0007.html'
    """
    return f"{number:04}.html"


def _colours(cfg: BrowserStage) -> dict[str, str]:
    """Colour of each category as #rrggbb, from any colour that the other figures understand."""
    found = {}
    for name in CATEGORIES:
        value = getattr(cfg, name)
        try:
            found[name] = to_hex(value)
        except ValueError as error:
            raise UserError(
                f"{value!r} is no colour", where=f"config, key figure.{name}", remedy="write a name or #rrggbb"
            ) from error
    return found


def _write(path: Path, text: str) -> None:
    # Bytes, not text mode: line ends stay the same on every system.
    path.write_bytes(text.encode())
