"""Numbers that say whether a run can be trusted, one row each."""

from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd

from superficial.inference.finish_reason import EOS
from superficial.shift.statistics.bootstrap import Bootstrap, Floats
from superficial.shift.statistics.repetition import LOOP
from superficial.shift.statistics.token_table import TokenTable

PER_TOKEN = ("kl_aligned_base", "kl_base_aligned", "js", "base_prob", "base_entropy", "aligned_entropy")


def summary(table: TokenTable, responses: Iterable[pd.DataFrame], bootstrap: Bootstrap) -> pd.DataFrame:
    """Rows (measure, value, low, high): counts, means over tokens (nats where divergences), means over responses.

    The `responses` come in parts.
    """
    ended = pd.concat(map(_ended, responses)).loc[table.ids]  # in the order of the draws
    rows: list[tuple[str, float, float | None, float | None]] = [
        ("examples", table.examples, None, None),
        ("tokens", int(table.lengths.sum()), None, None),
    ]
    lengths = table.lengths[:, None].astype(np.float64)
    per_token = [("aligned_rank_1_share", "aligned_rank"), *((name, name) for name in PER_TOKEN)]
    for measure, column in per_token:
        rows.append((measure, *_interval(bootstrap, table.by_example(partial(_totals, column)), lengths)))
    per_response = {
        "response_tokens": table.lengths,
        "ended_share": ended.to_numpy(),
        "repeated_8gram_share": table.repeated,
        "looping_share": table.repeated > LOOP,
    }
    for measure, value in per_response.items():
        sums = value.astype(np.float64)[:, None]
        rows.append((measure, *_interval(bootstrap, sums, np.ones_like(sums))))
    return pd.DataFrame(rows, columns=["measure", "value", "low", "high"])


def _ended(responses: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each response ended by itself, by its id."""
    return pd.Series((responses["finish_reason"] == EOS).to_numpy(), pd.Index(responses["id"]))


def _totals(column: str, table: TokenTable) -> Floats:
    """Sums of a column by example, (E, 1); of the ranks, how many are first."""
    value = table.column(column)
    return table.totals(value == 1 if column == "aligned_rank" else value)


def _interval(bootstrap: Bootstrap, numerators: Floats, denominators: Floats) -> tuple[float, float, float]:
    estimate, low, high = bootstrap.ratio(numerators, denominators)
    return float(estimate[0]), float(low[0]), float(high[0])
