"""Which prompts are answered now, which come next, and when."""

from collections.abc import Container, Iterable, Sequence

SHARE = 4  # of the places of a batch: so many must be free before others join, because reading them costs a pass


class Queue:
    """Rows that wait and rows that run; a row is the index of a prompt, and a place is where it stands in its batch."""

    def __init__(self, rows: Sequence[int], refills: bool) -> None:
        """With `refills` rows take the places of those that have left, without it when none is left."""
        self.waiting = list(rows)
        self.running: list[int] = []
        self._refills = refills

    def newcomers(self, places: int) -> list[int]:
        """Rows that run from now on, in a batch with so many places.

        >>> queue = Queue(range(9), refills=True)
        >>> queue.newcomers(4), queue.leave([False, True, False, False]), queue.newcomers(4), queue.running
        ([0, 1, 2, 3], [0, 3, 2], [4], [0, 3, 2, 4])
        """
        free = places - len(self.running)
        if self.running and not (self._refills and free * SHARE >= places):
            return []
        new, self.waiting = self.waiting[:free], self.waiting[free:]
        self.running += new
        return new

    def leave(self, ended: Sequence[bool]) -> list[int]:
        """Let rows go: the places of those that stay. The last ones come to the places that got free."""
        count = ended.count(False)
        last = [at for at in range(count, len(ended)) if not ended[at]]
        stay = [last.pop() if ended[at] else at for at in range(count)]
        self.running = [self.running[at] for at in stay]
        return stay

    def restart(self) -> None:
        """The rows that run wait again, before all others."""
        self.waiting[:0], self.running = self.running, []


def by_length(prompts: Sequence[list[int]]) -> list[int]:
    """Indices of the prompts, the shortest first, in whatever order they come: so those read together are alike."""
    return sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), prompts[index]))


def batches(prompts: Sequence[list[int]], size: int) -> list[list[int]]:
    """Indices of the prompts that are decoded together where nothing joins a batch.

    >>> batches([[1, 2, 3], [4], [1, 2]], 2)
    [[1, 2], [0]]
    """
    order = by_length(prompts)
    return [order[start : start + size] for start in range(0, len(order), size)]


def whole_batches(rows: Iterable[list[int]], missing: Container[int]) -> list[list[int]]:
    """Those of the batches of an undisturbed run, given as `rows`, in which something is `missing`.

    In half precision a row's tokens may depend on the rows beside it. So an answer that is missing is decoded among
    those that it would have been decoded with; these keep the answers that they have.

    >>> whole_batches([[0, 2], [1, 4], [3]], {3, 4})
    [[1, 4], [3]]
    """
    return [together for together in rows if any(row in missing for row in together)]
