"""The token_column stage: a further number of every response token, and its statistics."""

import importlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import write_parts, write_table
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

    The column is named as the files of `out`. Its module has `values(part)`, a number for each token of some whole
    responses (N,), and `statistics(table, bootstrap)`, a data frame; that table has the column. Beside the columns of
    the token table there are kind, and thinking: whether the token stands before the answer.
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
    ids = pd.CategoricalDtype(table.ids)
    write_parts((_column(part, name, module.values(part), ids) for part in table.parts()), out[0])
    table = table.beside({name: TokenTable.open(out[0])})
    write_table(module.statistics(table, Bootstrap.over(table.examples, cfg)), out[1])
    config = cfg.model_dump(mode="json")
    inputs, facts = {"shifts": shifts, "kinds": token_kinds, "responses": responses}, {"tokens": table.size}
    write_sidecar(out, stage="token_column", config=config, inputs=inputs, started=started, facts=facts)


def _column(part: TokenTable, name: str, values: NDArray[Any], ids: "pd.CategoricalDtype[Any]") -> pd.DataFrame:
    """The rows of some responses; `ids` are those of all."""
    examples = pd.Categorical.from_codes(part.example + part.numbers.start, dtype=ids)
    return pd.DataFrame({"example_id": examples, "position": part.position, name: values})


def thinking(table: TokenTable, responses: Path) -> NDArray[np.bool_]:
    """Whether each token of the table is among the first ones of its response, which hold the thinking; (N,)."""
    found = np.zeros(table.size, np.bool_)
    if "thinking_tokens" in pq.read_schema(responses).names:
        counts = pd.read_parquet(responses, columns=["id", "thinking_tokens"]).set_index("id")["thinking_tokens"]
        for start, count in zip(table.starts, counts.loc[table.ids], strict=True):
            found[start : start + count] = True
    return found
