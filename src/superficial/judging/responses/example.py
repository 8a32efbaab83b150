"""Which instruction the figure of one instruction shows."""

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.config.schema import MethodsExample

ASKED = "chosen by figure.example"


def pick_example(answers: pd.DataFrame, cfg: MethodsExample) -> tuple[str, str]:
    """Id of the instruction, and why it is this one; `answers` is the table of the response_stats stage.

    The first regular instruction, in the order of the data, on which zero-shot fails (any of the four failures) and
    URIAL stops without one; where there is none, the first on which zero-shot fails; else the first.
    """
    if cfg.example is not None:
        if cfg.example not in set(answers["id"]):
            raise UserError(
                f"no instruction {cfg.example!r} in {cfg.dataset}", where="figure.example", remedy="give an id of it"
            )
        return cfg.example, ASKED
    regular = answers[answers["category"] == "regular"]
    ids = list(dict.fromkeys(regular["id"]))
    failing = regular[regular["fails"] == 1]
    failed = set(failing.loc[failing["system"] == cfg.zero_shot, "id"])
    good = (regular["fails"] == 0) & (regular["empty"] == 0)  # an empty answer has none of the four, and shows nothing
    fine = set(regular.loc[(regular["system"] == cfg.urial) & good, "id"])
    for wanted, why in (
        (failed & fine, "the first regular one on which zero-shot fails and URIAL does not"),
        (failed, "the first regular one on which zero-shot fails"),
        (set(ids), "the first regular one"),
    ):
        for name in ids:
            if name in wanted:
                return str(name), why
    return str(answers["id"].iloc[0]), "the first one"
