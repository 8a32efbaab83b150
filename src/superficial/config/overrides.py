"""Overrides of the configuration, as the command line holds them."""

from collections.abc import Sequence

from superficial.artifacts.errors import UserError


def overrides_of(words: Sequence[str]) -> list[str]:
    """Overrides among words as snakemake takes them, in `--config 'hydra=[...]'`; other words are left out.

    >>> overrides_of(["figures/all", "--config", "hydra=[pair=a,dataset.limit=3]"])
    ['pair=a', 'dataset.limit=3']
    """
    return [entry for word in words if word.startswith("hydra=") for entry in split_overrides(word[6:])]


def split_overrides(value: str | Sequence[str] | None) -> list[str]:
    """Overrides as `--config 'hydra=[a=1,pairs=[x,y]]'` delivers them: a list, or the text when it is no YAML list.

    >>> split_overrides("[pairs=[A,B],dataset.limit=3]")
    ['pairs=[A,B]', 'dataset.limit=3']
    >>> split_overrides(["pair=a"])
    ['pair=a']
    >>> split_overrides(None)
    []
    """
    if value is None:
        return []
    if not isinstance(value, str):
        bad = [entry for entry in value if not isinstance(entry, str)]
        if bad:
            raise UserError(
                f"{bad[0]!r} is no override", where="--config hydra", remedy="write KEY=VALUE, without spaces"
            )
        return list(value)
    text = value.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    entries, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in "[{(") - (char in "]})")
        if char == "," and depth == 0:
            entries.append(text[start:index])
            start = index + 1
    return [entry.strip() for entry in [*entries, text[start:]] if entry.strip()]
