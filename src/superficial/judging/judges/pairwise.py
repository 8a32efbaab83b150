"""The pairwise stage: a judge compares two systems, each pair of responses in both orders."""

import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import Runtime
from superficial.config.schema.judge import AskedImported, AskedVotes, PairwiseStage
from superficial.data.answered import NO_ANSWER
from superficial.data.dialogue import answered_queries
from superficial.judging.judges.canaries import drawn_examples
from superficial.judging.judges.choices import Choice
from superficial.judging.judges.item import Item, Judged
from superficial.judging.judges.stage import answers_in, open_judge, results_of
from superficial.judging.judges.votes import vote_rows

GIVEN, SWAPPED = "given", "swapped"  # whether the response of system a is shown first, or that of b
COLUMNS = ("id", "category", "aspect", "order", "vote", "p_first", "reason", "unscored", "raw")


def run(
    cfg: PairwiseStage,
    runtime: Runtime,
    *,
    data: Path,
    a: Path,
    b: Path,
    model: Path | list[Path],
    votes: Path | list[Path],
    out: Path,
) -> None:
    """Write one row for each instruction, aspect and order, with the COLUMNS.

    `vote` is the system preferred (a, b, tie), empty where `unscored` says why; `p_first` the probability that the
    response shown first is preferred, where the judge gives one. People vote once, on the whole, in the order `given`.
    Where one of the responses ends within its thinking, nobody is asked.
    """
    started = time.monotonic()
    instructions = read_table(data)
    if isinstance(cfg.judge, AskedVotes):
        assert isinstance(votes, Path)
        table = vote_rows(votes, instructions, cfg.a, cfg.b)
    elif isinstance(cfg.judge, AskedImported):
        raise UserError(
            "imported judgments compare nothing", where=f"judge {cfg.judge.name}",
            remedy="leave it out of pairwise.beside, and set pairwise.systems=[] where it is the judge of the run",
        )  # fmt: skip
    else:
        chosen = drawn_examples(instructions, cfg.examples, cfg.seed)
        (first, no_first), (second, no_second) = answers_in(a), answers_in(b)
        items = both_orders(chosen, first | dict.fromkeys(no_first, ""), second | dict.fromkeys(no_second, ""))
        silent = {*no_first, *no_second}
        asked = [item for (name, _), item in items.items() if name not in silent]
        found = {}
        if asked or not silent:
            found = open_judge(cfg.judge, model, runtime, results_of(out)).choices(asked)
        nothing = Judged(Choice("", "", NO_ANSWER), "")
        found |= {
            (item.name, aspect): nothing
            for (name, _), item in items.items()
            if name in silent
            for aspect in item.aspects
        }
        table = choice_rows(items, found)
    write_table(table, out)
    facts = {"verdicts": len(table), "unscored": int((table["vote"] == "").sum())}
    config = cfg.model_dump(mode="json")
    inputs = {"data": data, "a": a, "b": b} | ({"votes": votes} if isinstance(votes, Path) else {})
    write_sidecar(out, stage="pairwise", config=config, inputs=inputs, started=started, facts=facts)


def both_orders(data: pd.DataFrame, a: Mapping[str, str], b: Mapping[str, str]) -> dict[tuple[str, str], Item]:
    """Two items an instruction, by id and order."""
    items = {}
    for name, category, instruction in zip(
        data["id"], data["category"], answered_queries(data, in_full=True), strict=True
    ):
        for order, (first, second) in ((GIVEN, (a[name], b[name])), (SWAPPED, (b[name], a[name]))):
            slots = {"instruction": instruction, "response_a": first, "response_b": second}
            items[name, order] = Item(f"{name}#{order}", category, slots)
    return items


def choice_rows(items: Mapping[tuple[str, str], Item], found: Mapping[tuple[str, str], Judged[Choice]]) -> pd.DataFrame:
    """The table of comparisons: what was said of first and second, as votes for a and b."""
    rows = []
    for (name, order), item in items.items():
        first, second = ("a", "b") if order == GIVEN else ("b", "a")
        for aspect in item.aspects:
            one = found[item.name, aspect]
            said = one.said
            vote = {"first": first, "second": second}.get(said.vote, said.vote)
            rows.append((name, item.category, aspect, order, vote, said.p_first, said.reason, said.unscored, one.raw))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"p_first": "float64"})
