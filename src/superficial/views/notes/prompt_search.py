"""What a search has found, in words: what the half says that it did not see, and where that is too little to tell."""

import pandas as pd


def sentences(table: pd.DataFrame, method: str, min_examples: int, confidence: float) -> list[str]:
    """Sentences about the found prompt; `table` is that of `gains` for one pair, `method` its title."""
    rows = table.set_index(["half", "prompt", "measure"])
    count = int(rows.loc[("test", "found", "gain"), "examples"])
    shown = f"Found: {rows.loc[('test', 'found', 'kl'), 'shown']}."
    if count < min_examples:
        return [shown, f"n = {count} on the test half: too small to tell what that gains."]
    value, low, high = (float(rows.loc[("test", "found", "gain"), name]) for name in ("value", "low", "high"))
    gain = f"{_signed(value)} nats {_span(low, high)}, {_share(rows.loc[('test', 'found', 'gain_share')])} of its KL"
    if rows.loc[("test", "found", "kl"), "shown"] == rows.loc[("test", "default", "kl"), "shown"]:
        verdict = f"These are the examples of {method} itself: nothing nearer was found."
    elif low <= 0 <= high:
        verdict = (
            f"Gain over {method} on the test half: {gain}. The {100 * confidence:g} % interval includes 0: no gain is "
            "shown."
        )
    else:
        nearer = "nearer to the aligned model" if low > 0 else "farther from the aligned model"
        verdict = f"Gain over {method} on the test half: {gain}: {nearer}."
    return [shown, verdict]


def cost(table: pd.DataFrame) -> str:
    """What the search takes from scratch."""
    found = table.set_index(["prompt", "measure"]).loc["candidates", "value"].astype(int)
    return (
        f"{found['candidates']} candidates, {found['fed_tokens']:,} tokens read in {found['forward_passes']:,} forward "
        "passes of the base"
    )


def counted(max_positions: int | None) -> str:
    """Which response tokens the means are over."""
    if max_positions is None:
        return "all tokens of the responses"
    return f"all tokens of the responses on the test half, the first {max_positions} of each on the search half"


def _signed(value: float) -> str:
    """Three digits, a sign where it is not zero."""
    text = f"{round(value, 3) + 0.0:+.3f}"
    return text.replace("-", "−") if float(text) else "0.000"


def _span(low: float, high: float) -> str:
    return f"[{_signed(low)}, {_signed(high)}]"


def _share(row: pd.Series) -> str:
    """Percent with its interval."""
    value, low, high = (f"{round(100 * row[name], 1) + 0.0:.1f}".replace("-", "−") for name in ("value", "low", "high"))
    return f"{value} % [{low}, {high}]"
