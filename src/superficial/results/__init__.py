"""Results as data frames: `results.open("results").tokens()`; nobody needs to know paths.

>>> from superficial import results  # doctest: +SKIP
>>> run = results.open("results")  # doctest: +SKIP
>>> run.ratios()  # doctest: +SKIP
"""

from superficial.results.opened import Results, open

__all__ = ["Results", "open"]
