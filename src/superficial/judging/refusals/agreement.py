"""The refusals_agreement stage: how well the phrases agree with responses that a person labelled."""

import time
from pathlib import Path

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import Nothing, RuntimeConfig
from superficial.judging.refusals.phrases import Refusals
from superficial.shift.kinds.agreement import kappa


def run(cfg: Nothing, runtime: RuntimeConfig, *, labelled: Path, phrases: Path, out: Path) -> None:
    """Write accuracy, kappa, precision and recall."""
    started = time.monotonic()
    table = read_table(labelled)
    if not set(table["refused"]) <= {0, 1}:
        raise UserError("a label is neither 0 nor 1", where=f"{labelled}, column refused", remedy="mend the line")
    write_table(agreement(table, Refusals.read(phrases)), out)
    inputs = {"labelled": labelled, "phrases": phrases}
    write_sidecar(out, stage="refusals_agreement", config={}, inputs=inputs, started=started, facts={})


def agreement(table: pd.DataFrame, refusals: Refusals) -> pd.DataFrame:
    """Rows (measure, value, texts) from labelled texts (given, text, refused).

    `texts` is what a value is a share of: all of them, labelled as refusals for recall, found to be for precision.
    """
    truth = table["refused"].to_numpy(dtype=bool)
    given, text = (table[column].fillna("") for column in ("given", "text"))
    found = pd.Series(list(map(refusals.decline, text, given))).to_numpy(dtype=bool)
    both = int((truth & found).sum())
    rows = [
        ("accuracy", float((truth == found).mean()), len(table)),
        ("kappa", kappa(truth, found), len(table)),
        ("precision", both / found.sum() if found.any() else float("nan"), int(found.sum())),
        ("recall", both / truth.sum() if truth.any() else float("nan"), int(truth.sum())),
    ]
    return pd.DataFrame(rows, columns=["measure", "value", "texts"])
