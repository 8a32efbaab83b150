"""The token_column stage: a further number of every response token, and its statistics."""

import importlib
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import write_table
from superficial.config.schema import IntervalsConfig, RuntimeConfig
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.token_table import TokenTable

FOLDER = "superficial.shift.columns"


def run(
    cfg: IntervalsConfig,
    runtime: RuntimeConfig,
    *,
    shifts: Path,
    token_kinds: Path,
    responses: Path,
    out: list[Path],
) -> None:
    """Write example_id, position and the column, in the order of the token table, and the statistics of the column.

    The column is named as the files of `out`. Its module has `values(table)`, a number for each token (N,), and
    `statistics(table, values, bootstrap)`, a data frame. Beside the columns of the token table there are kind, and
    thinking: whether the token stands before the answer.
    """
    started = time.monotonic()
    name = out[0].stem
    try:
        module = importlib.import_module(f"{FOLDER}.{name}")
    except ModuleNotFoundError as error:
        where = f"src/{FOLDER.replace('.', '/')}/{name}.py"
        raise UserError(f"no column {name}", where=where, remedy="name a module that is there") from error
    table = TokenTable.open(shifts)
    thinks = TokenTable.of(pd.DataFrame({"thinking": thinking(table, responses)}))
    table = table.beside({"kind": TokenTable.open(token_kinds), "thinking": thinks})
    values = module.values(table)
    ids = pd.Categorical.from_codes(table.example, categories=table.ids)
    write_table(pd.DataFrame({"example_id": ids, "position": table.position, name: values}), out[0])
    write_table(module.statistics(table, values, Bootstrap.over(table.examples, cfg)), out[1])
    config = cfg.model_dump(mode="json")
    inputs, facts = {"shifts": shifts, "kinds": token_kinds, "responses": responses}, {"tokens": len(values)}
    write_sidecar(out, stage="token_column", config=config, inputs=inputs, started=started, facts=facts)


def thinking(table: TokenTable, responses: Path) -> NDArray[np.bool_]:
    """Whether each token of the table is among the first ones of its response, which hold the thinking; (N,)."""
    counts = np.zeros(table.examples, np.int64)
    if "thinking_tokens" in pq.read_schema(responses).names:
        found = pd.read_parquet(responses, columns=["id", "thinking_tokens"]).set_index("id")["thinking_tokens"]
        counts = found.loc[table.ids].to_numpy()
    before: NDArray[np.bool_] = table.position < np.repeat(counts, table.lengths)
    return before
