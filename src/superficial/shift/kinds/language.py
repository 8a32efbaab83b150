"""Whether responses are in the language of the word lists, which is English."""

import pandas as pd

WORDS = ("style", "safety", "content", "function")
LEAST_WORDS = 50  # tokens that tell; of so many English ones, fewer than 5 are hardly ever function words
LEAST_FUNCTION = 0.1  # of them: in English four to five in ten are function words, in other languages next to none


def kinds_hold(kinds: pd.DataFrame) -> bool:
    """Whether the kinds of one pair's tokens mean what they say; `kinds` has kind, measure and tokens.

    In another language nearly every word is in no list, and would count as content.
    """
    shares = kinds[kinds["measure"] == "share_of_tokens"].set_index("kind")["tokens"].reindex(WORDS, fill_value=0)
    words = float(shares.sum())
    return words < LEAST_WORDS or float(shares["function"]) >= LEAST_FUNCTION * words
