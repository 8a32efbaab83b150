"""What the caption of the figure of shares says of responses that loop."""

from types import SimpleNamespace

import pandas as pd

from superficial.shift.category import CATEGORIES
from superficial.views.figures.shift_ratio import loops

CFG = SimpleNamespace(pairs=[SimpleNamespace(name="tiny", title="Tiny")])


def told(kept: int) -> list[str]:
    rows = [
        {"pair": "tiny", "level": level, "category": name, "share": share, "low": 0, "high": 1, "examples": examples}
        for level, examples in (("pooled", 10), ("without_loops", kept))
        for name, share in zip(CATEGORIES, (0.5, 0.3, 0.2) if examples else (None,) * 3, strict=True)
    ]
    return list(loops(CFG, pd.DataFrame(rows)))  # type: ignore[arg-type]


def test_where_none_loops_nothing_is_said():
    assert told(kept=10) == []


def test_the_shares_without_them_are_said():
    (text,) = told(kept=8)
    assert text.startswith("Tiny: 2 of 10 responses loop. ")
    assert "Without these, 50.0 % [0.0, 100.0] are unshifted, 30.0 %" in text


def test_where_all_loop_there_is_nothing_without_them():
    (text,) = told(kept=0)
    assert text == "Tiny: 10 of 10 responses loop. What is repeated is easy to predict."
