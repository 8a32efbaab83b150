"""Answers as they are shown, from the tables that the workflow made."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from superficial import results
from superficial.config.schema import PairConfig
from superficial.pipeline.ask.gloss import ShownToken
from superficial.pipeline.ask.shown import Answer, Shares
from superficial.pipeline.run import Run


def answers(
    run: Run, pair: PairConfig, questions: Sequence[str], compare: str | None, folder: Path
) -> Iterator[Answer]:
    """One for each question, of one pair; `folder` holds the results."""
    made, name = results.open(folder), run.settings.dataset.name
    tokens = made.tokens(dataset=name, pair=pair.name, context=run.settings.context.name)
    response = made.responses(dataset=name, model=pair.aligned.name, method=run.settings.response.name).set_index("id")
    own = made.responses(dataset=name, model=pair.base.name, method=compare).set_index("id") if compare else None
    for number, question in enumerate(questions, start=1):
        rows = tokens[tokens["example_id"] == str(number)]
        yield Answer(
            question=question,
            base=pair.base.title,
            aligned=pair.aligned.title,
            tokens=list(shown_tokens(rows)),
            shares=shares_of(rows),
            cut=response.loc[str(number), "finish_reason"] == "length",
            compared=None if own is None else (run.method(str(compare)).title, str(own.loc[str(number), "text"])),
        )


def shown_tokens(rows: pd.DataFrame) -> Iterator[ShownToken]:
    """Rows of the token table as tokens to show."""
    for text, category, says in zip(rows["token"], rows["category"], rows["base_top_tokens"], strict=True):
        yield ShownToken(text, category, says[0] if len(says) else "")


def shares_of(rows: pd.DataFrame) -> Shares:
    """The three numbers; of an empty answer they are not a number."""
    shares = rows["category"].value_counts(normalize=True)
    nothing = float("nan") if rows.empty else 0.0
    return Shares(
        float(shares.get("unshifted", nothing)),
        float(shares.get("shifted", nothing)),
        float(rows["kl_aligned_base"].astype(float).mean()),
    )
