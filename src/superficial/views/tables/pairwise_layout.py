"""The table of comparisons on paper: Markdown and LaTeX of the same cells."""

import pandas as pd

from superficial.artifacts.markup import latex_text, markdown_text, minus
from superficial.artifacts.printed import latex_table, latex_title, markdown_table
from superficial.config.schema.judge import PairwiseTable

HEADERS = (
    "judge",
    "aspect",
    "a wins, %",
    "tie, %",
    "b wins, %",
    "win rate of a, %",
    "at equal length, %",
    "n",
    "unscored",
)
AGREEMENT = ("one", "other", "kappa", "same outcome, %", "n")
Row = dict[str, object]


def markdown(table: pd.DataFrame, cfg: PairwiseTable) -> str:
    """A section for each comparison, the paper's rows, and agreement."""
    lines: list[str] = []
    for title, headers, cells in _sections(table):
        lines += [f"**{markdown_text(title)}**", "", *markdown_table(headers, cells, left=2), ""]
    return "\n".join([*lines, markdown_text(_note(cfg)), ""])


def latex(table: pd.DataFrame, cfg: PairwiseTable) -> str:
    """The same as tabulars."""
    lines: list[str] = []
    for title, headers, cells in _sections(table):
        lines += [*latex_title(title), *latex_table(headers, cells, left=2)]
    return "\n".join([*lines, latex_text(_note(cfg)), ""])


def _sections(table: pd.DataFrame) -> list[tuple[str, tuple[str, ...], list[list[str]]]]:
    found: list[tuple[str, tuple[str, ...], list[list[str]]]] = []
    own = table[table["source"] == "this run"]
    for _, rows in own.groupby("comparison", sort=False):
        first = rows.iloc[0]
        title = f"a = {first['a']}; b = {first['b']}"
        found.append((title, HEADERS, [_cells(row) for row in rows.to_dict("records")]))
    paper = table[~table["source"].isin(["this run", "agreement"])]
    for source, rows in paper.groupby("source", sort=False):
        cells = [[f"{row['a']} (a) against tuned (b)", *_cells(row)[1:]] for row in rows.to_dict("records")]
        found.append((f"{source}: votes of people on other systems and instructions", HEADERS, cells))
    agreement = table[table["source"] == "agreement"]
    if len(agreement):
        cells = [
            [f"{row['judge']}, {row['how']}", f"{row['other_judge']}, {row['other_how']}",
             _interval(row, "kappa", 1, 2), _percent(row.get("same")), _count(row["n"])]
            for row in agreement.to_dict("records")
        ]  # fmt: skip
        found.append(("Agreement on the overall outcome (kappa, quadratic weights)", AGREEMENT, cells))
    return found


def _cells(row: Row) -> list[str]:
    shares = [_percent(row.get(name)) for name in ("win", "tie", "lose")]
    rates = [_interval(row, name, 100, 1) for name in ("win_rate", "equal_length")]
    return [f"{row['judge']}, {row['how']}", str(row["aspect"]), *shares, *rates, _count(row.get("n")),
            _count(row.get("unscored"))]  # fmt: skip


def _number(value: object) -> float:
    return float("nan") if value is None else float(str(value))


def _percent(value: object) -> str:
    number = _number(value)
    return "–" if number != number else f"{100 * number:.1f}"


def _count(value: object) -> str:
    number = _number(value)
    return "–" if number != number else f"{number:.0f}"


def _interval(row: Row, name: str, factor: int, digits: int) -> str:
    value, low, high = (factor * _number(row.get(f"{name}{end}")) for end in ("", "_low", "_high"))
    if value != value:
        return "–"
    ends = f" [{low:.{digits}f}, {high:.{digits}f}]" if low == low else ""
    return minus(f"{value:.{digits}f}{ends}")


def _note(cfg: PairwiseTable) -> str:
    caveats = " ".join(f"{judge.title}: {judge.caveat}" for judge in cfg.asked if judge.caveat)
    return (
        f"Data: {cfg.data}. Judge of this run: {cfg.judge.title}. {caveats} A judge that is asked sees each two "
        "responses in both orders; where it does not say the same twice, it is a tie. From scores: the higher score "
        "wins, overall by the mean of the aspects. Win rate: ties count as halves. At equal length: the win rate where "
        "a logistic regression on these comparisons has no difference in words (its prior keeps it off 0 and 100). "
        f"Square brackets: {100 * cfg.confidence:g} % intervals, bootstrap over instructions, "
        f"{cfg.resamples:,} resamples."
    )
