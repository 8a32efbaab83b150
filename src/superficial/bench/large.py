"""Peak memory and seconds of all that follows a comparison, on token tables of any size: nothing here runs a model.

The token table is synthetic: real words, ranks with a long tail, ten candidates on either side. It stands for that of a
further context, too. `python -m superficial.bench.large 1000 10000` measures so many responses, every stage in its
own process. `--folder DIR` keeps the files, `--stages NAME ...` runs some stages alone on the files of such a folder.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from superficial.artifacts.files import PACKAGE
from superficial.bench import memory
from superficial.bench.statistics import CFG, TABLES, response_lengths, shift_rows
from superficial.config.schema import (
    BrowserStage,
    ComparedPair,
    ContextsFigure,
    FigureStage,
    IntervalsConfig,
    ModelTitle,
    PairTitle,
    RatioFigure,
    ReportedPair,
    ReportStage,
    ShownContext,
)
from superficial.config.schema.contexts import ContextTitle
from superficial.inference.finish_reason import EOS, LENGTH
from superficial.shift.kinds.word_lists import lexicon

COUNTS = (1_000, 10_000)
OWN, FURTHER = "zero_shot", "urial"
FIGURES = ("shift_ratio", "shift_by_position", "shift_by_kind", "shift_by_topic", "entropy", "urial_recovery")
LABELLED = PACKAGE.parents[1] / "resources/kinds/labelled.csv"
LOOK = {"unshifted": "#56B4E9", "marginal": "#E69F00", "shifted": "#A50F4C"}
FIGURE = FigureStage(
    **LOOK, dpi=100, max_position=100, min_examples=2, example_tokens=100, dataset="d", context="zero_shot",
    confidence=0.95, pairs=[PairTitle(name="p", title="P")],
)  # fmt: skip
VOCABULARY = 4096
PART = 250  # responses written at a time


def main(words: Sequence[str] = ()) -> int:
    """Print a line for each number of responses and each stage."""
    parser = argparse.ArgumentParser(prog="python -m superficial.bench.large")
    parser.add_argument("counts", nargs="*", type=int, default=COUNTS, help="numbers of responses")
    parser.add_argument("--folder", type=Path, help="keeps the files of one number of responses")
    parser.add_argument("--stages", nargs="*", help="of all stages only these")
    asked = parser.parse_args(words)
    for count in asked.counts:
        with tempfile.TemporaryDirectory(prefix="superficial-bench-") as name:
            folder = asked.folder or Path(name)
            if not (folder / "results").is_dir():
                memory.apart(write_tables, folder, count)
            for label, command in commands().items():
                if asked.stages is None or label in asked.stages:
                    peak, seconds = memory.measured(folder, command)
                    print(f"{count:9,} responses  {label:18}{peak:8.0f} MB {seconds:6.0f} s", flush=True)
    return 0


def commands() -> Mapping[str, list[str]]:
    """The stages as the workflow calls them, in a folder with `results/`, each after those that it needs."""
    shifts, kinds, stats = ((f"results/{part}/d/p/{OWN}") for part in ("shifts", "kinds", "stats"))
    data, intervals = "data=results/data/d.parquet", IntervalsConfig(**CFG.intervals).model_dump_json()
    answers, table = "responses=results/responses/d/aligned/aligned.parquet", f"shifts={shifts}.parquet"
    token_kinds = f"token_kinds={kinds}.parquet"
    found = {"kinds": ["kinds", "--cfg", "{}", table, answers, f"out={kinds}.parquet"]}
    made = [f"{stats}/{name}.csv" for name in TABLES]
    found["stats"] = ["stats", "--cfg", CFG.model_dump_json(), table, token_kinds, answers, data]
    found["stats"] += [f"out={made[0]}", *made[1:]]
    found["contexts"] = ["contexts", "--cfg", intervals, f"reference={shifts}.parquet", data, token_kinds]
    found["contexts"] += [f"others=results/shifts/d/p/{FURTHER}.parquet"]
    found["contexts"] += [f"out={stats}/recovery.csv", f"{stats}/entropy.csv"]
    found["safety_depth"] = ["safety_depth", "--cfg", intervals, table, data, f"out={stats}/safety_depth.csv"]
    found["kinds_agreement"] = ["kinds_agreement", "--cfg", "{}", f"labelled={LABELLED}"]
    found["kinds_agreement"] += ["out=results/stats/kinds_agreement.csv"]
    own, further = (ContextTitle(name=name, title=name, examples=0) for name in (OWN, FURTHER))
    look = dict(FIGURE)
    of_ratios = RatioFigure(**look, published=[], repeats={}).model_dump_json()
    of_contexts = ContextsFigure(**look, contexts=[own, further]).model_dump_json()
    cfg = {"shift_ratio": of_ratios, "entropy": of_contexts, "urial_recovery": of_contexts}
    for name in ("shift_example", *FIGURES):
        chosen = cfg.get(name, FIGURE.model_dump_json())
        found[name] = [f"figures/{name}", "--cfg", chosen, "results=results", f"out=results/figures/{name}"]
    found["shift_browser"] = ["figures/shift_browser", "--cfg", _browser().model_dump_json(), "results=results"]
    found["shift_browser"] += ["out=results/browser/index.html"]
    drawn = [f"results/figures/{name}.pdf" for name in FIGURES]
    found["manifest"] = ["manifest", "--cfg", "{}", f"made={drawn[0]}", *drawn[1:], "out=results/manifest.json"]
    report = ReportStage(pairs=[ReportedPair(title="P", reference=None)], token_shift=[]).model_dump_json()
    pages = [f"results/report/{name}.rst" for name in ("overview", *(f"figures/{name}" for name in FIGURES))]
    found["report"] = ["report", "--cfg", report, "manifest=results/manifest.json", f"out={pages[0]}", *pages[1:]]
    return {label: [*words, *memory.runtime()] for label, words in found.items()}


def _browser() -> BrowserStage:
    """The browser shows both contexts of the base."""
    sides = {side: ModelTitle(name=side, title=side) for side in ("base", "aligned")}
    return BrowserStage(
        **LOOK, dataset="d", response="aligned", judge=None, pairs=[ComparedPair(name="p", title="P", **sides)],
        contexts=[ShownContext(name=name, title=name, prompt=memory.PROMPT) for name in (OWN, FURTHER)],
    )  # fmt: skip


def write_tables(folder: Path, count: int) -> None:
    """Models, instructions, `count` responses and their token tables, where the workflow has them."""
    results, rng = folder / "results", np.random.default_rng(0)
    ids = memory.write_models_and_data(results, rng, count)
    for part in ("responses/d/aligned", "shifts/d/p"):
        (results / part).mkdir(parents=True)
    with ExitStack() as stack:
        writers: dict[str, pq.ParquetWriter] = {}
        for tables in _parts(rng, ids, response_lengths(rng, count, count * memory.LENGTH_OF)):
            for name, table in tables.items():
                if name not in writers:
                    writer = pq.ParquetWriter(results / f"{name}.parquet", table.schema, compression="zstd")
                    writers[name] = stack.enter_context(writer)
                writers[name].write_table(table)
    os.link(results / f"shifts/d/p/{OWN}.parquet", results / f"shifts/d/p/{FURTHER}.parquet")


def _parts(rng: np.random.Generator, ids: list[str], lengths: np.ndarray) -> Iterator[dict[str, pa.Table]]:
    """Responses and rows of their token table, some responses at a time."""
    texts = token_texts()
    for at in range(0, len(ids), PART):
        names, sizes = np.array(ids[at : at + PART]), lengths[at : at + PART]
        ends = np.cumsum(sizes)
        tokens = np.minimum(rng.zipf(1.3, ends[-1]) - 1, VOCABULARY - 1).astype(np.int32)
        position = (np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)).astype(np.int32)
        answers = np.split(tokens, ends[:-1])
        reasons = np.where(rng.random(len(names)) < 0.9, EOS, LENGTH)
        rows = shift_rows(rng, np.repeat(names, sizes), position, tokens, texts)
        spoken = ["".join(texts.take(pa.array(answer)).to_pylist()) for answer in answers]
        yield {
            "responses/d/aligned/aligned": memory.response_rows(rng, names.tolist(), answers, spoken, reasons.tolist()),
            f"shifts/d/p/{OWN}": rows,
        }


def token_texts() -> pa.Array:
    """The text of each token, (VOCABULARY,): punctuation, the words of all lists, and words that no list has."""
    listed = sorted(words[0] for words in lexicon().entries if len(words) == 1)
    marks = [",", ".", "⏎", " 7", ":", "-"]
    words = [f" {word}" for word in np.random.default_rng(1).permutation(np.array(listed))]
    more = [f" w{number}" for number in range(VOCABULARY)]
    # Every other one is on a list, the commonest ones included.
    mixed = [text for pair in zip(words, more, strict=False) for text in pair]
    return pa.array([*marks, *mixed, *more[len(words) :]][:VOCABULARY])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
