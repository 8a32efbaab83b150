"""Greedy forward selection: a prompt grows by the example that helps most, at its end, next to the query."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

ExampleIds = tuple[str, ...]  # ids of examples, in the order in which a prompt shows them


@dataclass(frozen=True)
class SearchStep:
    """One example more: what each candidate makes of the prompt, in the order of the pool."""

    before: ExampleIds
    values: dict[str, float]  # by the candidate's id; smaller is better

    @property
    def chosen(self) -> str:
        """The best candidate, of equal ones the first in the pool."""
        return min(self.values, key=self.values.__getitem__)


def greedy_search(pool: Sequence[str], k: int, value: Callable[[ExampleIds], float]) -> list[SearchStep]:
    """`k` steps; each asks for the value of every prompt with one example more.

    The order follows from the steps: trying other places for an example would multiply the prompts by k, and nothing
    that stands behind the place could be reused.
    """
    steps: list[SearchStep] = []
    shown: ExampleIds = ()
    for _ in range(k):
        steps.append(SearchStep(shown, {name: value((*shown, name)) for name in pool if name not in shown}))
        shown = (*shown, steps[-1].chosen)
    return steps
