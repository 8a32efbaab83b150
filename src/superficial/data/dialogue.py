"""Dialogues: several queries of one user, each answered with what came before it (paper, appendix B.3)."""

from collections.abc import Sequence

import pandas as pd


def queries_of(data: pd.DataFrame) -> dict[str, list[str]]:
    """All queries of each instruction of the dataset, by id; most have one."""
    return {
        str(example): [str(turn) for turn in turns] or [str(instruction)]
        for example, instruction, turns in zip(data["id"], data["instruction"], data["turns"], strict=True)
    }


def answered_queries(data: pd.DataFrame, *, in_full: bool = False) -> "pd.Series[str]":
    """What each response answers, by id: the last query; `in_full`, for a judge, with the user's earlier ones before.

    A table without the column `turns` holds no dialogues.
    """
    if "turns" in data:
        queries = queries_of(data)
    else:
        queries = {str(name): [str(query)] for name, query in zip(data["id"], data["instruction"], strict=True)}
    told = {name: _told(those) if in_full else those[-1] for name, those in queries.items()}
    return pd.Series(told, dtype=object)


def _told(queries: Sequence[str]) -> str:
    *earlier, last = queries
    if not earlier:
        return last
    return "\n\n".join(["Earlier in this conversation the user asked:", *earlier, "Now the user asks:", last])


def last_turns(data: pd.DataFrame, responses: pd.DataFrame) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """By id: the last query, which the response answers, and the earlier queries with the answers they got."""
    earlier = dict(zip(responses["id"], responses["earlier_answers"], strict=True))
    return {
        example: (queries[-1], history(queries[:-1], earlier[example]))
        for example, queries in queries_of(data).items()
        if example in earlier
    }


def history(queries: Sequence[str], answers: Sequence[str]) -> list[tuple[str, str]]:
    """Queries with their answers, as a prompt shows them."""
    return [(query, str(answer)) for query, answer in zip(queries, answers, strict=True)]
