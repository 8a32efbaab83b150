"""The one exception that a user is meant to read."""

from superficial.artifacts.markup import visible


class UserError(Exception):
    """A mistake that its user can mend: bad key, missing model, wrong file, full disk.

    It is printed as one line: what is wrong, in which file or key, and the remedy.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        place = f"{where}: " if where else ""
        hint = f" | remedy: {remedy}" if remedy else ""
        super().__init__(visible(" ".join(f"{place}{what}{hint}".split())))
