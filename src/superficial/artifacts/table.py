"""Tables on disk: Parquet for what later stages read, CSV for what people read. Equal tables give equal bytes."""

from pathlib import Path

import pandas as pd

from superficial.artifacts.files import whole_file

TEXTS = ("id", "example_id", "token")  # columns that stay text, though every value of a table may look like a number


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write `path` as Parquet or CSV, by its suffix; the file appears whole."""
    with whole_file(path) as partial:
        if path.suffix == ".csv":
            # Nine significant digits give back any float32, and do not show the noise of float64 sums.
            table.to_csv(partial, index=False, float_format="%.9g", lineterminator="\n")
        else:
            table.to_parquet(partial, index=False, compression="zstd")


def read_table(path: Path) -> pd.DataFrame:
    """Read what `write_table` wrote."""
    if path.suffix == ".csv":
        # "None", "NA" and "null" are tokens that models write; only an empty field is missing.
        return pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=[""])
    return pd.read_parquet(path)
