"""The table of findings: the paper's claims one by one, what this run measured, and whether it says the same."""

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.markup import latex_text
from superficial.artifacts.printed import Cell, latex_table, markdown_table, with_interval, write_forms
from superficial.artifacts.table import read_table
from superficial.config.schema import FindingsTable, RuntimeConfig
from superficial.shift.kinds.language import kinds_hold
from superficial.shift.statistics.of_pairs import files_of_pairs
from superficial.views.view import View

VIEW = View(
    category="Beside the paper",
    title="Table: the paper's claims, one by one",
    text="What this run measured of each claim, with intervals, and whether it says the same.",
    slice="findings_table",
    reads=[
        "results/stats/{dataset}/{pair}/{context}/ratios.csv",
        "results/stats/{dataset}/{pair}/{context}/kinds.csv",
        "results/stats/{dataset}/{pair}/{context}/positions.csv",
        "results/stats/{dataset}/{pair}/{context}/handoff.csv",
        "results/stats/{dataset}/{pair}/{context}/recovery.csv",
    ],
)

TABLES = ("ratios", "kinds", "positions", "handoff", "recovery")
HEADER = ("pair", "claim of the paper", "measured as", "this run says", "value", "against", "the paper prints")
MOST = 0.10  # of all tokens: a larger share of shifted ones is not "few", where the paper's pairs have 0.05 to 0.08

Row = dict[str, object]


def run(cfg: FindingsTable, runtime: RuntimeConfig, *, results: Path, out: list[Path]) -> None:
    """Write a row for each pair and claim as CSV, Markdown and LaTeX."""
    started = time.monotonic()
    inputs = {f"{name}/{table}": path for table in TABLES for name, path in files_of_pairs(cfg, results, table).items()}
    parts = []
    for pair in cfg.pairs:
        tables = {table: read_table(inputs[f"{pair.name}/{table}"]) for table in TABLES}
        parts.append(pd.DataFrame(findings(tables, cfg)).assign(pair=pair.name))
    found = pd.concat(parts, ignore_index=True)
    found.insert(0, "pair", found.pop("pair"))
    write_forms(found, {".md": lambda: markdown(found, cfg), ".tex": lambda: latex(found, cfg)}, out)
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="tables/findings", config=config, inputs=inputs, started=started, facts={})


def findings(tables: dict[str, pd.DataFrame], cfg: FindingsTable) -> Iterator[Row]:
    """One row for each claim: `value` with `low` and `high`, what it is held `against`, and what that `says`.

    `says` is yes or no where intervals tell, and unclear where they overlap or too few responses stand behind them. The
    values compared have intervals of their own, so "yes" asks for more than a test of their difference would.
    """
    ratios = tables["ratios"].query("category == 'shifted'").rename(columns={"share": "value"}).set_index("level")
    shifted, plain = ratios.loc["pooled"], ratios.loc["without_loops"]
    against = f"at most {100 * MOST:.0f}"
    if plain["examples"] < shifted["examples"]:  # what is repeated is easy to predict, and looks unshifted
        against += f"; without responses that loop: {' '.join(with_interval(plain, 100, 1))}"
    printed = [one.shifted for one in cfg.published]
    yield _held(
        "Few tokens shift", "shifted tokens, %", shifted, against, max(shifted["high"], plain["high"]) <= MOST,
        min(shifted["low"], plain["low"]) > MOST, 100, f"{min(printed)} to {max(printed)}" if printed else "",
    )  # fmt: skip
    kinds = tables["kinds"].query("measure == 'odds_ratio' and kind == 'style'")
    if kinds_hold(tables["kinds"]) and len(kinds) and kinds["examples"].iloc[0] >= cfg.min_examples:
        row = kinds.iloc[0]
        yield _held(
            "Style shifts, content hardly", "odds of being shifted, style against content", row, "above 1",
            row["low"] > 1, row["high"] < 1, 1,
        )  # fmt: skip
    tenths = tables["positions"].query("scale == 'tenth' and metric == 'kl_aligned_base'").set_index("position")
    # Not the last tenth: the end of turn stands there, which no base model expects.
    first, late = (tenths.loc[at].rename({"mean": "value"}) for at in (tenths.index.min(), tenths.index.max() - 1))
    yield _compared("The shift falls along the response", "KL in the first tenth, nats", first, "the ninth", late, 1)
    handoff = tables["handoff"].query("measure == 'rouge_l'").rename(columns={"mean": "value"})
    # Responses that are not longer than k drop out: k must leave half of them, so that much the same ones are compared.
    handoff = handoff[handoff["examples"] >= max(cfg.min_examples, handoff["examples"].max() / 2)]
    if len(handoff) > 1:
        most, none = handoff.iloc[-1], handoff.iloc[0]
        name = f"ROUGE-L of what the base writes after {most['k']:.0f} tokens of the response"
        yield _compared("Given the first tokens, the base follows", name, most, f"after {none['k']:.0f}", none, 1)
    rows = tables["recovery"].query("grouping == 'all' and measure == 'kl_closed'").set_index("context")
    if len(cfg.contexts) > 2:
        plain, restyled = cfg.contexts[1], cfg.contexts[-1]
        yield _compared(
            "Restyled examples bring the base nearer than plain ones", f"KL closed by {restyled.title}, %",
            rows.loc[restyled.name], plain.title, rows.loc[plain.name], 100,
        )  # fmt: skip


def _held(
    claim: str,
    what: str,
    row: "pd.Series[float]",
    against: str,
    yes: bool,
    no: bool,
    factor: int,
    printed: str = "",
) -> Row:
    bounds = {name: factor * float(row[name]) for name in ("value", "low", "high")}
    says = "yes" if yes else "no" if no else "unclear"
    return {"claim": claim, "measured": what, "says": says, **bounds, "against": against, "paper": printed}


def _compared(claim: str, what: str, row: "pd.Series[float]", name: str, other: "pd.Series[float]", factor: int) -> Row:
    """`row` is to be larger than `other`."""
    digits = 1 if factor == 100 else 2
    value, interval = with_interval(other, factor, digits)
    yes, no = row["low"] > other["high"], row["high"] < other["low"]
    return _held(claim, what, row, f"{name}: {value} {interval}", yes, no, factor)


def markdown(table: pd.DataFrame, cfg: FindingsTable) -> str:
    """A row for each claim; below each value its interval."""
    return "\n".join([*markdown_table(HEADER, _grid(table, cfg), left=4), "", note(cfg), ""])


def latex(table: pd.DataFrame, cfg: FindingsTable) -> str:
    """The same as a tabular."""
    return "\n".join([*latex_table(HEADER, _grid(table, cfg), left=4), latex_text(note(cfg)), ""])


def note(cfg: FindingsTable) -> str:
    """Data and definitions."""
    return (
        f"Data: {cfg.data}. In square brackets {100 * cfg.confidence:g} % intervals, bootstrap over responses. Yes "
        "and no: the interval lies on that side of what the value is held against. Where that has an interval, too, "
        "the two do not overlap. Unclear: they do. "
        "Few tokens shift only where they do with and without the responses that loop. A claim that fewer than "
        f"{cfg.min_examples} responses could tell of is left out. The paper measured 7B models on other instructions."
    )


def _grid(table: pd.DataFrame, cfg: FindingsTable) -> Iterator[list[Cell]]:
    titles = {pair.name: pair.title for pair in cfg.pairs}
    for _, row in table.iterrows():
        value = with_interval(row, 1, 1 if row["measured"].endswith("%") else 2)
        yield [titles[row["pair"]], row["claim"], row["measured"], row["says"], value, row["against"], row["paper"]]
