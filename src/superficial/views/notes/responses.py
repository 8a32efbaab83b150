"""What table and figures say below about decoding and definitions."""

import pandas as pd

from superficial.config.schema.responses import ResponsesView
from superficial.judging.responses.failures import LEAD, LONG, SHARE
from superficial.shift.statistics.repetition import LOOP

TITLES = {
    "words": "words",
    "tokens": "tokens",
    "stopped": "stopped, %",
    "repeated": "repeated 8-grams, %",
    "echo_words": "echo, words",
    "runs_on": "does not stop, %",
    "loops": "repeats itself, %",
    "echoes": "echoes the query, %",
    "invents": "makes up queries, %",
    "fails": "any of the four, %",
    "empty": "empty, %",
}
THINKING_TITLES = {"thinking": "thinking, tokens", "unanswered": "no answer, %"}  # only where a response thinks
COUNTED = ("words", "tokens", "echo_words", "thinking")  # the others are shares


def decoding(cfg: ResponsesView) -> str:
    """How the answers came about."""
    penalties: dict[float, list[str]] = {}
    for system in cfg.systems:
        mixed = len({one.repetition_penalty for one in cfg.systems if one.model == system.model}) > 1
        names = penalties.setdefault(system.repetition_penalty, [])
        names.append(f"{system.model}, {system.method}" if mixed else system.model)
    parts = [
        (f"repetition penalty {value:g}" if value != 1 else "no repetition penalty", list(dict.fromkeys(names)))
        for value, names in penalties.items()
    ]
    texts = [text if len(parts) == 1 else f"{text} for {' and '.join(names)}" for text, names in parts]
    return f"Greedy decoding, at most {cfg.max_new_tokens:,} new tokens; {'; '.join(texts)}."


def failures(cfg: ResponsesView) -> str:
    """The four failures in a sentence each."""
    return (
        f"Does not stop: cut at the limit of {cfg.max_new_tokens:,} tokens. Repeats itself: more than "
        f"{100 * LOOP:.0f} % of its 8-grams of tokens occurred before in it. Echoes the query: {100 * SHARE:.0f} % of "
        f"the query's words (or {LONG} of them) in one run, within as many first words of the answer and {LEAD} more. "
        "Makes up queries: goes on, cut off by the stop rule or not, to a query header or turn that nobody asked for."
    )


def near_ties(table: pd.DataFrame) -> str:
    """How often rounding may have decided, by system; systems for which it is not known are left out."""
    rows = table[(table["measure"] == "near_ties") & (table["n"] > 0)]
    counts = {f"{row.model}, {row.method}": round(row.mean * row.n) for row in rows.itertuples()}
    found = "; ".join(f"{count} in {system}" for system, count in counts.items() if count)
    if not counts:
        return ""
    return (
        "Near ties, tokens whose two best logits are equal up to rounding, so that another batch or machine may go on "
        f"otherwise: {found or 'none'}."
    )


def instructions(table: pd.DataFrame) -> str:
    """How many were answered: "n = 40 instructions", or "n = 39 to 40 instructions" where systems differ."""
    counts = table.loc[table["measure"] == "runs_on", "n"]  # known of every answer
    ends = sorted({int(counts.min()), int(counts.max())})
    return f"n = {' to '.join(f'{end:,}' for end in ends)} instructions"


def thinking(table: pd.DataFrame) -> str:
    """What counts where responses think; nothing where none does."""
    if not set(THINKING_TITLES) & set(table["measure"]):
        return ""
    return (
        "Thinking: tokens before the answer, among all tokens. No answer: the response ends within its thinking; it "
        "counts in tokens, thinking, stopped and any of the four alone. All else is of the answer without its thinking."
    )
