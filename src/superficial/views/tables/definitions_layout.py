"""The table of definitions on paper: Markdown and LaTeX of the same cells."""

from collections.abc import Mapping

import pandas as pd

from superficial.artifacts.markup import latex_text, markdown_text, minus
from superficial.artifacts.printed import latex_table, latex_title, markdown_table
from superficial.config.schema import DefinitionsTable
from superficial.shift.definitions.names import CANDIDATES, HEADLINE

HEADERS = ("definition", "tokens", "unshifted, %", "marginal, %", "shifted, %", "KL, nats", "base probability")
# Measure -> factor and decimals.
SHOWN = {"unshifted": (100, 1), "marginal": (100, 1), "shifted": (100, 1), "kl": (1, 3), "base_prob": (1, 3)}
TITLES: Mapping[str, str] = {
    HEADLINE: "headline",
    "aligned_argmax": "the aligned model's likeliest token, not the emitted one",
    "top30_base": f"base rank and probability within the base's top {CANDIDATES}",
    "top30_kl": f"KL within the top {CANDIDATES} of both",
    "no_end": "end of turn not counted",
    "two_bos": "two BOS before the base's context",
    "aligned_context": "base under the aligned model's context",
}


def markdown(table: pd.DataFrame, cfg: DefinitionsTable) -> str:
    """A section for each pair, and what the numbers mean below."""
    lines: list[str] = []
    for pair in cfg.pairs:
        rows = table[table["pair"] == pair.name]
        lines += [f"**{markdown_text(pair.title)}** ({markdown_text(_counts(rows, cfg))})", ""]
        lines += markdown_table(HEADERS, map(_cells, rows.to_dict("records")), left=1)
        lines += ["", markdown_text(_note(rows, cfg)), ""]
    return "\n".join(lines)


def latex(table: pd.DataFrame, cfg: DefinitionsTable) -> str:
    """A tabular for each pair, with counts above and the note below."""
    lines: list[str] = []
    for pair in cfg.pairs:
        rows = table[table["pair"] == pair.name]
        lines += latex_title(pair.title, f"({_counts(rows, cfg)})")
        lines += latex_table(HEADERS, map(_cells, rows.to_dict("records")), left=1)
        lines += [latex_text(_note(rows, cfg)), ""]
    return "\n".join(lines)


def _cells(row: Mapping[str, object]) -> list[str]:
    """The headline's values with their intervals; for the others the value, and the difference with its interval."""
    headline = row["variant"] == HEADLINE
    cells = [TITLES[str(row["variant"])], f"{row['tokens']:,}"]
    for measure, (factor, digits) in SHOWN.items():

        def number(end: str, sign: str = "", name: str = measure, by: int = factor, places: int = digits) -> str:
            # Rounding first, so that nothing is shown as minus zero.
            value = round(by * float(str(row[f"{name}{end}"])), places) + 0.0
            return minus(f"{value:{sign}.{places}f}")

        if headline:
            cells.append(f"{number('')} [{number('_low')}, {number('_high')}]")
        else:
            ends = (number(f"_difference{end}", "+") for end in ("", "_low", "_high"))
            cells.append("{} ({} [{}, {}])".format(number(""), *ends))
    return cells


def _counts(rows: pd.DataFrame, cfg: DefinitionsTable) -> str:
    first = rows[rows["variant"] == HEADLINE].iloc[0]
    return f"data: {cfg.data}; base context: {cfg.context_title}; {first['examples']:,} examples"


def _note(rows: pd.DataFrame, cfg: DefinitionsTable) -> str:
    negative = 100 * rows.set_index("variant").loc["top30_kl", "kl_negative"]
    return (
        "Headline: emitted token, rank and KL(aligned || base) over the whole vocabulary, end of turn counted, "
        "one BOS. Every other row changes one thing; in round brackets its difference from the headline. "
        f"Square brackets: {100 * cfg.confidence:g} % intervals, bootstrap over examples, {cfg.resamples:,} resamples. "
        f"KL within the top {CANDIDATES} of both is no divergence: it is negative at {negative:.1f} % of the tokens."
    )
