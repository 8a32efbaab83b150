"""In the place of `python -m superficial`: makes every output that a stage is asked for, without doing anything."""

import sys
from pathlib import Path

FORMS = (".pdf", ".png", ".svg", ".csv", ".caption.md", ".caption.tex", ".md", ".tex")


def outputs(words: list[str]) -> list[Path]:
    """The files after out=; a figure or table is asked for by one of its forms."""
    name, found = "", []
    for word in words:
        if "=" in word:
            name, word = word.split("=", 1)
        if name == "out":
            found.append(Path(word))
    if words[0].startswith(("figures/", "tables/")) and found[0].suffix in FORMS:
        found += [found[0].with_suffix(form) for form in FORMS]
    return found


if __name__ == "__main__":
    for file in outputs(sys.argv[1:]):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(sys.argv[1])
