"""The three categories of a response position (paper, section 2.2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CATEGORIES = ("unshifted", "marginal", "shifted")


def category_index(ranks: NDArray[Any]) -> NDArray[np.int64]:
    """Index into CATEGORIES: unshifted at base rank 1, marginal at 2 and 3, shifted above.

    >>> category_index(np.array([1, 2, 3, 4])).tolist()
    [0, 1, 1, 2]
    """
    return np.searchsorted([1, 3], ranks)


def category(ranks: NDArray[Any]) -> NDArray[np.str_]:
    """The same as names.

    >>> category(np.array([1, 2, 3, 4])).tolist()
    ['unshifted', 'marginal', 'marginal', 'shifted']
    """
    return np.array(CATEGORIES)[category_index(ranks)]
