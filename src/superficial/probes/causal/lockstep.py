"""Both models decode in lock-step, one token at each step, each model under its own context.

Neither has a repetition penalty, and only end tokens end a response: the closing fence of the zero-shot template is a
stop rule for texts that the base wrote alone. Rules that agree so far share a row: it splits where they part. A model
whose choice can no longer matter to a row leaves it.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from superficial.inference.finish_reason import EOS, LENGTH
from superficial.inference.generate.batch import DecodingBatch
from superficial.inference.generate.choose import choose_tokens, tie_margin
from superficial.inference.generate.logits import NextLogits
from superficial.inference.generate.queue import whole_batches
from superficial.inference.room import Halving, Size, pairs_at_a_time
from superficial.inference.shared_prefix import SharedPrefix
from superficial.models.load import LoadedModel
from superficial.probes.causal.rule import OTHER, SIDES, Side, SwapRule
from superficial.probes.causal.shared_tokens import SharedTokens
from superficial.shift.category import CATEGORIES, category_index
from superficial.shift.pair.pairing import Pairing


@dataclass(frozen=True)
class SwapTask:
    """One response to decode, of `limit` tokens at most; `prompts` in the order of SIDES."""

    prompts: tuple[tuple[int, ...], tuple[int, ...]]
    rule: SwapRule
    limit: int


@dataclass
class SwappedResponse:
    """A response, in the making or finished; ids are the aligned model's."""

    token_ids: list[int] = field(default_factory=list)
    swapped: list[int] = field(default_factory=list)  # positions at which the other model's token was taken
    changed: list[int] = field(default_factory=list)  # those of them at which the driver would have said another
    finish_reason: str = ""
    near_ties: int = 0  # positions at which rounding may have decided


@dataclass
class LockstepCounts:
    """What was done by both models together."""

    forward_passes: int = 0
    fed_tokens: int = 0  # of prompts and responses, a row each


@dataclass
class NextTokens:
    """What each model would say after the tokens of a row (places), and the category of what the aligned one would."""

    tokens: dict[Side, int] = field(default_factory=dict)
    near: dict[Side, bool] = field(default_factory=dict)
    category: str = CATEGORIES[0]


@dataclass
class UnfinishedResponse:
    """A task under way."""

    index: int
    task: SwapTask
    found: SwappedResponse = field(default_factory=SwappedResponse)

    def add(self, choice: NextTokens, shared: SharedTokens) -> int:
        """Append the token (a place) that the rule takes, and return it."""
        rule, found, position = self.task.rule, self.found, len(self.found.token_ids)
        swaps = rule.swaps(position, choice.category)
        token = choice.tokens[OTHER[rule.driver] if swaps else rule.driver]
        if swaps:
            found.swapped.append(position)
            found.changed += [position] if token != choice.tokens[rule.driver] else []
        found.near_ties += any(near for side, near in choice.near.items() if rule.needs(side, position))
        found.token_ids.append(shared.id("aligned", token))
        if token in shared.ends:
            found.finish_reason = EOS
        elif len(found.token_ids) == self.task.limit:
            found.finish_reason = LENGTH
        return token


class Lockstep:
    """Decodes tasks in batches of about `batch` rows; `work` counts what that took."""

    def __init__(
        self,
        models: Mapping[Side, LoadedModel],
        pairing: Pairing,
        batch: Size,
        step: Callable[[], object] = lambda: None,
    ) -> None:
        """`step` is called after every token of a batch."""
        self.work = LockstepCounts()
        self.batch = batch  # a number from the first answer on
        self._models, self._step = models, step
        self._halving = Halving(" and ".join(one.manifest["name"] for one in models.values()))
        self._shared = SharedTokens(pairing, models)
        self._prefix: dict[Side, SharedPrefix] = {}
        self._next: dict[Side, NextLogits] = {}

    @torch.inference_mode()
    def answers(
        self, tasks: Sequence[SwapTask], among: Sequence[SwapTask] = (), missing: Container[int] | None = None
    ) -> Iterator[tuple[int, SwappedResponse]]:
        """Decode every task; yields (index of the task, response) as they finish. `among`: these and more tasks.

        `missing`: only the batches that hold one of these tasks are decoded.
        """
        if not tasks:
            return  # and leave the weights where they are
        prompts = {side: [list(task.prompts[at]) for task in among or tasks] for at, side in enumerate(SIDES)}
        most = max(task.limit for task in among or tasks)
        self.batch = pairs_at_a_time(self.batch, [(self._models[side], prompts[side]) for side in SIDES], most)
        for side in SIDES:
            self._prefix[side] = SharedPrefix.read(self._models[side], prompts[side])
            self._next[side] = NextLogits(self._models[side].model)
        rows = packed(tasks, self.batch)
        for together in rows if missing is None else whole_batches(rows, missing):
            yield from self._halving.each(lambda part: self._found(tasks, part), together)

    def _found(self, tasks: Sequence[SwapTask], rows: Sequence[int]) -> Iterator[tuple[int, SwappedResponse]]:
        for draft in self._run([UnfinishedResponse(index, tasks[index]) for index in rows]):
            yield draft.index, draft.found

    def _run(self, drafts: Sequence[UnfinishedResponse]) -> Iterator[UnfinishedResponse]:
        """Decode one batch. A node is a list of drafts with one prompt and equal tokens so far."""
        nodes: dict[object, list[UnfinishedResponse]] = {}
        for draft in drafts:
            nodes.setdefault(draft.task.prompts, []).append(draft)
        rows = {side: DecodingBatch(self._models[side], self._prefix[side], self._next[side]) for side in SIDES}
        views = {side: self._start(rows[side], side, list(nodes.values())) for side in SIDES}
        waiting, position = list(nodes.values()), 0
        while waiting:
            children: dict[tuple[int, int], list[UnfinishedResponse]] = {}
            for parent, (node, choice) in enumerate(zip(waiting, self._choices(len(waiting), views), strict=True)):
                for draft in node:
                    token = draft.add(choice, self._shared)
                    if draft.found.finish_reason:
                        yield draft
                    else:
                        children.setdefault((parent, token), []).append(draft)
            self._step()
            waiting, position = list(children.values()), position + 1
            views = {side: self._follow(rows[side], side, children, position, views[side]) for side in SIDES}

    def _start(self, rows: DecodingBatch, side: Side, nodes: list[list[UnfinishedResponse]]) -> "PlaceLogits":
        asked = [at for at, node in enumerate(nodes) if _needed(side, node, 0)]
        prompts = [list(nodes[at][0].task.prompts[SIDES.index(side)]) for at in asked]
        self.work.fed_tokens += sum(map(len, prompts))
        return self._view(side, asked, rows.start(prompts) if asked else None)

    def _follow(
        self,
        rows: DecodingBatch,
        side: Side,
        children: Mapping[tuple[int, int], list[UnfinishedResponse]],
        position: int,
        before: "PlaceLogits",
    ) -> "PlaceLogits":
        going = [
            (at, parent, token)
            for at, ((parent, token), node) in enumerate(children.items())
            if _needed(side, node, position)
        ]
        self.work.fed_tokens += len(going)
        parents = [before.rows[parent] for _, parent, _ in going]
        tokens = [self._shared.id(side, token) for _, _, token in going]
        return self._view(side, [at for at, _, _ in going], rows.follow(parents, tokens) if going else None)

    def _view(self, side: Side, nodes: list[int], logits: torch.Tensor | None) -> "PlaceLogits":
        self.work.forward_passes += logits is not None
        rows = {node: row for row, node in enumerate(nodes)}
        return PlaceLogits(rows, None if logits is None else self._shared.logits(side, logits))

    def _choices(self, nodes: int, views: Mapping[Side, "PlaceLogits"]) -> list[NextTokens]:
        """What both models say at each node."""
        found = [NextTokens() for _ in range(nodes)]
        for side, view in views.items():
            if view.logits is not None:
                nothing = torch.zeros(len(view.rows), 1, dtype=torch.long, device=view.logits.device)
                chosen = choose_tokens(view.logits, nothing, 1.0, tie_margin(self._models[side].dtype))
                for node, token, near in zip(view.rows, *chosen, strict=True):
                    found[node].tokens[side], found[node].near[side] = token, near
        # Where both say the same its rank is 1.
        parted = [at for at, one in enumerate(found) if len(set(one.tokens.values())) == 2]
        base = views["base"].logits
        if parted and base is not None:
            logits = base[:, [views["base"].rows[at] for at in parted]]  # (S, N)
            tokens = torch.tensor([[found[at].tokens["aligned"] for at in parted]], device=logits.device)
            ranks = 1 + (logits > logits.gather(0, tokens)).sum(dim=0)
            for at, index in zip(parted, category_index(ranks.cpu().numpy()), strict=True):
                found[at].category = CATEGORIES[index]
        return found


@dataclass(frozen=True)
class PlaceLogits:
    """One model's logits (S, B) over places, and the row of each node that has one."""

    rows: dict[int, int]
    logits: torch.Tensor | None


def _needed(side: Side, node: Sequence[UnfinishedResponse], position: int) -> bool:
    return any(draft.task.rule.needs(side, position) for draft in node)


def packed(tasks: Sequence[SwapTask], size: int) -> list[list[int]]:
    """Indices of the tasks that are decoded together: all of one prompt, and prompts of like length."""
    found: dict[object, list[int]] = {}
    for index in sorted(range(len(tasks)), key=lambda index: (len(tasks[index].prompts[0]), tasks[index].prompts)):
        found.setdefault(tasks[index].prompts, []).append(index)
    together: list[list[int]] = [[]]
    for indices in found.values():
        if together[-1] and len(together[-1]) + len(indices) > size:
            together.append([])
        together[-1] += indices
    return together
