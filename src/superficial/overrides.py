"""Overrides among the words of commands that are called like snakemake."""

from collections.abc import Sequence


def overrides_of(words: Sequence[str]) -> list[str]:
    """Overrides in `--config 'hydra=[...]'`; other words are left out.

    >>> overrides_of(["figures/all", "--config", "hydra=[pair=a,dataset.limit=3]"])
    ['pair=a', 'dataset.limit=3']
    """
    from superficial.config import split_overrides

    return [entry for word in words if word.startswith("hydra=") for entry in split_overrides(word[6:])]
