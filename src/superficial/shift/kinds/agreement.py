"""The kinds_agreement stage: how well the classifier agrees with tokens that a person labelled.

The end of turn is told to the classifier, not found by it: the labelled file holds none, so nothing is credited for it.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import Nothing, RuntimeConfig
from superficial.shift.kinds.classify import KINDS, classify


def run(cfg: Nothing, runtime: RuntimeConfig, *, labelled: Path, out: Path) -> None:
    """Write accuracy, kappa, and precision and recall of each kind."""
    started = time.monotonic()
    found = agreement(classified(read_table(labelled), labelled))
    write_table(found, out)
    facts = {"labelled": int(found["tokens"].iloc[0])}
    inputs = {"labelled": labelled}
    write_sidecar(out, stage="kinds_agreement", config={}, inputs=inputs, started=started, facts=facts)


def classified(labelled: pd.DataFrame, where: Path) -> pd.DataFrame:
    """`labelled` (source, position, token, kind) with a column `found`: the classifier's kind of each token.

    A stretch is a run of consecutive positions of one source; the classifier sees that much of the response, no more.
    """
    unknown = sorted(set(labelled["kind"]) - set(KINDS[:-1]))
    if unknown:
        raise UserError(
            f"unknown kinds {', '.join(map(str, unknown))}", where=str(where), remedy=f"use {', '.join(KINDS[:-1])}"
        )
    breaks = (labelled["source"] != labelled["source"].shift()) | (labelled["position"].diff() != 1)
    found = [
        kind for _, part in labelled.groupby(breaks.cumsum()) for kind in classify(part["token"].tolist(), ended=False)
    ]
    return labelled.assign(found=found)


def agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Rows (kind, measure, value, tokens): accuracy and kappa over `all`, then precision and recall of each kind.

    `tokens` is what a value is a share of: labelled so for recall, found so for precision.
    """
    truth, found = table["kind"].to_numpy(), table["found"].to_numpy()
    rows: list[tuple[str, str, float, int]] = [
        ("all", "accuracy", float((truth == found).mean()), len(table)),
        ("all", "kappa", kappa(truth, found), len(table)),
    ]
    for kind in KINDS[:-1]:
        both = int(((truth == kind) & (found == kind)).sum())
        for measure, side in (("precision", found), ("recall", truth)):
            count = int((side == kind).sum())
            rows.append((kind, measure, both / count if count else float("nan"), count))
    return pd.DataFrame(rows, columns=["kind", "measure", "value", "tokens"])


def kappa(truth: np.ndarray, found: np.ndarray) -> float:
    """Cohen's kappa of two labellings of the same tokens: agreement beyond chance; 1 when neither ever varies.

    >>> kappa(np.array(["a", "a", "b", "b"]), np.array(["a", "a", "b", "a"]))
    0.5
    """
    kinds = sorted(set(truth) | set(found))
    chance = float(sum((truth == kind).mean() * (found == kind).mean() for kind in kinds))
    return 1.0 if chance == 1 else float(((truth == found).mean() - chance) / (1 - chance))
