"""The stage `figures/shift_browser`: an index of all examples, and a page for each of them."""

import shutil
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment
from matplotlib.colors import to_hex

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import whole_file, whole_folder, write_sidecar
from superficial.artifacts.progress import progress
from superficial.config.schema import BrowserStage, ComparedPair, RuntimeConfig
from superficial.shift.category import CATEGORIES
from superficial.views.browser.embed import embed
from superficial.views.browser.page import ASSETS, environment, page_name, write_page
from superficial.views.browser.payload import ExampleSource, index_entry, page_data
from superficial.views.browser.shelves import BLOCK, Shelves
from superficial.views.browser.source import PairExamples, token_table
from superficial.views.view import View

VIEW = View(
    category="Token distribution shift",
    title="Every response, token by token, as pages",
    text=(
        "Static pages without server or network: what both models would have said at every token, further contexts"
        " beside each other, and the judge's reasons."
    ),
    paper="Figure 8",
    slice="browser",
    name="figures/shift_browser",
    out=["results/browser/index.html"],
)

MOST = 1000  # examples of a pair that have a page each, and stand in the index with their texts


def run(cfg: BrowserStage, runtime: RuntimeConfig, *, results: Path, out: Path) -> None:
    """Write `out`, the index page, and the rest of the site beside it. The sidecar lies beside the site's folder."""
    started = time.monotonic()
    pairs = {pair.name: PairExamples(cfg, pair, results) for pair in cfg.pairs}
    write_site(cfg, pairs, out.parent)
    inputs = {pair.name: token_table(cfg, pair, cfg.contexts[0].name, results) for pair in cfg.pairs}
    facts = {"examples": sum(len(examples.ids) for examples in pairs.values())}
    config = cfg.model_dump(mode="json")
    write_sidecar(
        out.parent, stage="figures/shift_browser", config=config, inputs=inputs, started=started, facts=facts,
        others=out.parent / "cases",
    )  # fmt: skip


def write_site(cfg: BrowserStage, pairs: Mapping[str, ExampleSource], folder: Path) -> None:
    """Write the whole site; `pairs` holds the examples of every pair in `cfg`. Equal examples give equal bytes.

    What else lies in `folder`, like the pages of cases, stays as it is.
    """
    pages = environment()
    numbers = {name: {one: number for number, one in enumerate(pairs[name].ids, start=1)} for name in pairs}
    shelves = Shelves() if max(map(len, numbers.values())) > MOST else None
    with whole_folder(folder / "assets") as assets:
        unused = shutil.ignore_patterns(*[] if shelves else ["shelves.js"])
        shutil.copytree(ASSETS, assets, copy_function=shutil.copyfile, dirs_exist_ok=True, ignore=unused)
        style = pages.get_template("colours.css").render(colours=_colours(cfg))
        write_page(assets / "colours.css", style)
    with whole_folder(folder / "pairs") as site:
        listed = [_write_pair(pages, cfg, pair, pairs[pair.name], numbers, site, shelves) for pair in cfg.pairs]
    data = {"categories": list(CATEGORIES), "dataset": cfg.data, "contexts": _contexts(cfg), "pairs": listed}
    data |= shelves.facts() if shelves else {}
    with whole_file(folder / "index.html") as index:
        write_page(index, pages.get_template("index.html").render(root="", data=embed(data), shelves=bool(shelves)))


def _write_pair(
    pages: Environment,
    cfg: BrowserStage,
    pair: ComparedPair,
    examples: ExampleSource,
    numbers: Mapping[str, Mapping[str, int]],
    site: Path,
    shelves: Shelves | None,
) -> dict[str, Any]:
    """Write the example pages of one pair; returns its part of the index. `numbers`: of examples by pair and id."""
    (site / pair.name).mkdir()
    template, entries = pages.get_template("example.html"), []
    count, block = len(examples.ids), BLOCK if shelves else 1
    with progress(f"pages of {pair.name}", count, "examples") as bar:
        numbered = enumerate(examples, start=1)
        while some := list(islice(numbered, block)):
            held = []
            for number, example in some:
                entry = index_entry(example) | {"page": f"pairs/{pair.name}/{page_name(number, block)}"}
                entries.append(shelves.shelved(entry, site / pair.name) if shelves else entry)
                others = [one for one in cfg.pairs if one is not pair and example.id in numbers[one.name]]
                data = page_data(example) | {
                    "number": number,
                    "count": count,
                    "elsewhere": [
                        {"title": one.title, "page": f"../{one.name}/{page_name(numbers[one.name][example.id], block)}"}
                        for one in others
                    ],
                    "pair": pair.title,
                    "models": {"base": pair.base.title, "aligned": pair.aligned.title},
                    "contexts": _contexts(cfg),
                    "judge": cfg.judge and cfg.judge.model_dump(),
                }
                held.append((number, embed(data | ({"block": block} if shelves else {}))))
                bar.update()
            number, first = held[0]
            page = template.render(root="../../", number=number, count=count, data=first, held=held if shelves else [])
            write_page(site / pair.name / page_name(number), page)
    if shelves:
        shelves.close(site / pair.name)
    return {"name": pair.name, "title": pair.title, "examples": entries}


def _contexts(cfg: BrowserStage) -> list[dict[str, str]]:
    """The base's contexts as pages name them, its own first."""
    return [{"name": context.name, "title": context.title} for context in cfg.contexts]


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
