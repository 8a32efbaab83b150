"""Which tokens are swapped: one model drives, and at some positions the other one's choice is taken."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from superficial.artifacts.files import digest
from superficial.shift.category import CATEGORIES

Side = Literal["base", "aligned"]
SIDES: tuple[Side, Side] = ("base", "aligned")
OTHER: dict[Side, Side] = {"base": "aligned", "aligned": "base"}


@dataclass(frozen=True)
class SwapRule:
    """`driver` decodes greedily; the other model's choice is taken at `positions`, and where its category is listed.

    The category of a position is that of the aligned model's choice under the base, both after the same tokens.
    """

    driver: Side
    categories: tuple[str, ...] = ()
    positions: tuple[int, ...] = ()

    def swaps(self, position: int, category: str) -> bool:
        """Whether the other model's token is taken here."""
        return category in self.categories or position in self.positions

    def needs(self, side: Side, position: int) -> bool:
        """Whether what `side` would say matters from `position` on; once it does not, it never will again."""
        return side == self.driver or bool(self.categories) or max(self.positions, default=-1) >= position


NONE = SwapRule("base")  # the base's own greedy response
SHIFTED = SwapRule("base", ("shifted",))


def swap_rules(variants: Sequence[str], first: Sequence[int], limit: int) -> dict[str, SwapRule]:
    """The rule of each variant by name, without `random`, whose positions depend on what SHIFTED did.

    `none` is always there. `first` stands for one variant each number k of it: the first k positions.

    >>> swap_rules(["shifted", "first"], [2], limit=64)["first_2"]
    SwapRule(driver='base', categories=(), positions=(0, 1))
    """
    found = {"none": NONE}
    for variant in variants:
        if variant == "first":
            found |= {f"first_{k}": SwapRule("base", positions=tuple(range(min(k, limit)))) for k in first}
        elif variant != "random":
            found[variant] = {
                "shifted": SHIFTED,
                "shifted_or_marginal": SwapRule("base", CATEGORIES[1:]),
                "all": SwapRule("base", positions=tuple(range(limit))),
                "reverse": SwapRule("aligned", ("shifted",)),
            }[variant]
    return found


def at_random(example: str, swapped: int, length: int, seed: int) -> SwapRule:
    """`swapped` positions among the first `length`, drawn for this example whatever others there are."""
    draw = random.Random(digest([seed, example]))
    return SwapRule("base", positions=tuple(sorted(draw.sample(range(length), swapped))))
