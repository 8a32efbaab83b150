"""Votes of people between two systems, from a CSV."""

from pathlib import Path

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.judging.judges.aspects import OVERALL

VOTES = ("a", "b", "tie")
NEEDED = ("id", "system_a", "system_b", "vote")
SWAP = {"a": "b", "b": "a", "tie": "tie"}


def vote_rows(path: Path, data: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Votes on systems `a` and `b` in the columns of the pairwise stage, whichever of them the file calls a.

    Several people may vote on one instruction: each vote is a row. A UserError names the row that cannot be a vote.
    """
    table = read_votes(path)
    categories = dict(zip(data["id"], data["category"], strict=True))
    strangers = [f"row {row + 2}: id {name!r}" for row, name in enumerate(table["id"]) if name not in categories]
    if strangers:
        raise UserError(
            f"{strangers[0]} is not in the dataset", where=str(path), remedy="use the ids of the dataset; limit=null"
        )
    straight = (table["system_a"] == a) & (table["system_b"] == b)
    crossed = (table["system_a"] == b) & (table["system_b"] == a)
    if not (straight | crossed).any():
        systems = ", ".join(sorted(set(table["system_a"]) | set(table["system_b"])))
        raise UserError(f"no votes between {a} and {b}", where=str(path), remedy=f"it holds {systems}")
    votes = table["vote"].where(straight, table["vote"].map(SWAP))
    found = pd.DataFrame({"id": table["id"], "vote": votes})[straight | crossed].reset_index(drop=True)
    found["category"] = found["id"].map(categories)
    found = found.assign(aspect=OVERALL, order="given", p_first=float("nan"), reason="", unscored="", raw="")
    return found[["id", "category", "aspect", "order", "vote", "p_first", "reason", "unscored", "raw"]]


def read_votes(path: Path) -> pd.DataFrame:
    """The CSV, checked; votes in lower case."""
    if not path.is_file():
        raise UserError("no such file", where=str(path), remedy=f"a CSV with the columns {', '.join(NEEDED)}")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"no CSV ({error})", where=str(path), remedy="save it as CSV in UTF-8") from error
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        raise UserError(f"no column {missing[0]}", where=str(path), remedy=f"the columns are {', '.join(NEEDED)}")
    table["vote"] = table["vote"].str.strip().str.lower()
    for row, vote in enumerate(table["vote"]):
        if vote not in VOTES:
            raise UserError(f"{vote!r} is no vote", where=f"{path}, row {row + 2}", remedy="write a, b or tie")
    return table
