"""The three categories of a response position (paper, section 2.2)."""

import numpy as np

CATEGORIES = ("unshifted", "marginal", "shifted")


def category(ranks: np.ndarray) -> np.ndarray:
    """Unshifted at base rank 1, marginal at 2 and 3, shifted above.

    >>> category(np.array([1, 2, 3, 4])).tolist()
    ['unshifted', 'marginal', 'marginal', 'shifted']
    """
    return np.array(CATEGORIES)[np.searchsorted([1, 3], ranks)]
