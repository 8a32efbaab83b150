"""The canaries stage: the same responses judged again, changed in ways that must not matter."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import Runtime
from superficial.config.schema.judge import CanariesStage
from superficial.judging.judges.item import Item
from superficial.judging.judges.stage import answers_in, open_judge, results_of, score_items, score_rows

AGAIN, NEWLINE = "asked again", "one more line break"
ORIGINAL = "original"


def run(
    cfg: CanariesStage,
    runtime: Runtime,
    *,
    data: Path,
    responses: Path,
    judgments: Path,
    model: Path | list[Path],
    sentences: Path,
    out: Path,
) -> None:
    """Write the columns of a judgment with `variant` before them: the original, two repeats, a row for each sentence.

    `judgments` are there so that the originals are in the store and are not asked for again.
    """
    started = time.monotonic()
    instructions, texts = read_table(data), answers_in(responses)[0]
    chosen = drawn_examples(instructions[instructions["id"].isin(texts.keys())], cfg.examples, cfg.seed)
    originals = score_items(chosen, texts)
    variants = {
        name: [changed(item, name, text) for item in originals] for name, text in canary_texts(sentences).items()
    }
    # Each variant in an order of its own: the place of an item among others must not matter either.
    everything = [item for items in variants.values() for item in items[::-1]]
    found = open_judge(cfg.judge, model, runtime, results_of(out)).scores(everything)
    parts = []
    for name, items in variants.items():
        rows = score_rows(items, found)
        rows["id"] = [original.name for original in originals for _ in original.aspects]
        rows.insert(0, "variant", name)
        parts.append(rows)
    table = pd.concat(parts, ignore_index=True)
    write_table(table, out)
    inputs = {"data": data, "responses": responses, "judgments": judgments, "sentences": sentences}
    facts = {"responses": len(originals), "variants": len(variants)}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="canaries", config=config, inputs=inputs, started=started, facts=facts)


def canary_texts(sentences: Path) -> dict[str, str]:
    """What each variant puts after the response, by name."""
    try:
        read = yaml.safe_load(sentences.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError("no readable YAML", where=str(sentences), remedy="one line a canary, NAME: sentence") from error
    good = isinstance(read, dict) and all(isinstance(value, str) for value in read.values())
    if not good:
        raise UserError("not a list of sentences", where=str(sentences), remedy="one line a canary, NAME: sentence")
    return {ORIGINAL: "", AGAIN: "", NEWLINE: "\n"} | {str(name): f"\n\n{text}" for name, text in read.items()}


def drawn_examples(data: pd.DataFrame, examples: int | None, seed: int) -> pd.DataFrame:
    """A seeded choice of instructions, in the order of the dataset."""
    if examples is None or examples >= len(data):
        return data
    picked = np.sort(np.random.default_rng(seed).choice(len(data), examples, replace=False))
    return data.iloc[picked]


def changed(item: Item, variant: str, addition: str) -> Item:
    """`item` with text after its response, under a name of its own."""
    slots: Mapping[str, str] = {**item.slots, "response": item.slots["response"] + addition}
    return replace(item, name=f"{item.name}#{variant}", slots=slots, repeat=int(variant == AGAIN))
