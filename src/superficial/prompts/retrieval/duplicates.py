"""Near-duplicates: examples that are the query itself, reworded at most. Showing one would leak an answer."""

import unicodedata

from superficial.config.schema import DuplicatesConfig

GRAM = 3  # letters; short, so that one swapped word costs few of them


def is_duplicate(query: str, example: str, similarity: float, limits: DuplicatesConfig) -> bool:
    """Whether `example` is `query` but for case, punctuation or a word; `similarity` is the cosine of both."""
    return (
        similarity >= limits.similarity
        or normalised(query) == normalised(example)
        or overlap(query, example) >= limits.overlap
    )


def normalised(text: str) -> str:
    """Text without case, punctuation and spare space.

    >>> normalised(" Why is\\tthe sky BLUE?!"), normalised("2+2"), normalised("2-2")
    ('why is the sky blue', '2+2', '2 2')
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(" " if unicodedata.category(char)[0] == "P" else char for char in folded).split())


def overlap(left: str, right: str) -> float:
    """Common letter trigrams over all letter trigrams (Jaccard), 0..1.

    >>> overlap("How do I bake bread?", "how do i bake BREAD"), overlap("Tea?", "Iron")
    (1.0, 0.0)
    """
    one, other = _grams(left), _grams(right)
    return len(one & other) / len(one | other)


def _grams(text: str) -> set[str]:
    padded = f" {normalised(text)} "
    return {padded[start : start + GRAM] for start in range(max(1, len(padded) - GRAM + 1))}
