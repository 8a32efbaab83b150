"""Whether responses are in the language of the word lists, which is English."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.shift.kinds.classify import KINDS

WORDS = ("style", "safety", "content", "function")
LEAST_WORDS = 50  # tokens that tell; of so many English ones, fewer than 5 are hardly ever function words
LEAST_FUNCTION = 0.1  # of them: in English four to five in ten are function words, in other languages next to none


def kinds_hold(kinds: pd.DataFrame) -> bool:
    """Whether the kinds of one pair's tokens mean what they say; `kinds` has kind, measure and tokens.

    In another language nearly every word is in no list, and would count as content.
    """
    return _hold(kinds[kinds["measure"] == "share_of_tokens"].set_index("kind")["tokens"])


def counts_hold(counts: NDArray[np.integer[Any]]) -> bool:
    """The same of how many tokens there are of each of KINDS, (K,)."""
    return _hold(pd.Series(counts, index=KINDS))


def _hold(counts: "pd.Series[int]") -> bool:
    """`counts` are numbers of tokens by kind."""
    counts = counts.reindex(WORDS, fill_value=0)
    words = int(counts.sum())
    return words < LEAST_WORDS or int(counts["function"]) >= LEAST_FUNCTION * words
