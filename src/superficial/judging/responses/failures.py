"""The four failures of base models (paper, section 3.1), each defined on one answer, without a judge.

- `runs_on`: the answer was cut at the limit of new tokens, because neither an end token nor a stop rule came before.
- `loops`: more than half of its 8-grams of tokens repeat an earlier one.
- `echoes`: it begins by repeating the query word for word (see `is_echo`). A query in other words is not found.
- `invents`: it goes on to a further query that was not asked (see `invents_query`).

Instructions that ask for their own words back, or for a list of questions, may count in the last two; they do so for
every method alike.
"""

import math
import re
from difflib import SequenceMatcher

import numpy as np

from superficial.data.words import count_words
from superficial.inference.finish_reason import LENGTH
from superficial.inference.generate.stop import HEADER
from superficial.shift.statistics.repetition import LOOP, repeated_ngrams

FAILURES = ("runs_on", "loops", "echoes", "invents")
MEASURES = ("words", "tokens", "stopped", "repeated", "echo_words", *FAILURES, "fails", "empty", "near_ties")
OF_ANSWERS = ("words", "repeated", "echo_words", "loops", "echoes", "invents", "empty")  # not of what never came to one
# Where a response thinks: tokens before its answer, and whether there is no answer behind them.
THINKING = ("thinking", "unanswered")
# Echo: the query is sought in as many first words of the answer as it has, and LEAD more for "Sure, you ask: ...".
LEAD, SHARE, LONG, LEAST = 10, 0.8, 20, 3

_WORD = re.compile(r"\w+")
_BLOCK = re.compile(r"```.*?```", re.DOTALL)  # a key "user:" in a block of code is nobody's turn
_TURN = re.compile(r"^[ \t>#*]*(?P<who>query|user|human|instruction|question|q)[ \t]*\d*[ \t*]*:", re.I | re.M)


def measure(
    instruction: str, text: str, token_ids: np.ndarray, finish_reason: str, near_ties: float, rest: str | None
) -> dict[str, float]:
    """Every entry of MEASURES for one answer: counts, shares in 0..1, and 0 or 1; NaN where it cannot be known.

    `near_ties` are tokens that rounding may have decided. `rest` is what was decoded after the cut, None where that is
    not known. Without token ids (a server answered) tokens and repetitions are NaN. `repeated` is the share of 8-grams
    of tokens that occurred before; `echo_words` the longest run of words that query and beginning share; `fails` says
    that any of the four failures is there.
    """
    known = len(token_ids) > 0
    repeated = repeated_ngrams(token_ids) if known else math.nan
    run, queried = echo_run(instruction, text)
    failures = {
        "runs_on": float(finish_reason == LENGTH),
        "loops": float(repeated > LOOP) if known else math.nan,
        "echoes": float(is_echo(run, queried)),
        "invents": float(invents_query(instruction, text, rest)),
    }
    return {
        "words": count_words(text),
        "tokens": len(token_ids) if known else math.nan,
        "stopped": 1 - failures["runs_on"],
        "repeated": repeated,
        "echo_words": run,
        **failures,
        "fails": float(1 in failures.values()),
        "empty": float(not text.strip()),
        "near_ties": near_ties,
    }


def echo_run(instruction: str, text: str) -> tuple[int, int]:
    """Longest run of words that the query shares with the beginning of the answer, and the number of the query's words.

    Case and punctuation do not count.

    >>> echo_run("How do I boil an egg?", "**how do I boil** eggs? First ...")
    (4, 6)
    """
    query = _WORD.findall(instruction.lower())
    beginning = _WORD.findall(text.lower())[: len(query) + LEAD]
    found = SequenceMatcher(None, query, beginning, autojunk=False).find_longest_match()
    return found.size, len(query)


def is_echo(run: int, queried: int) -> bool:
    """Whether a run of words repeats the query: 80 % of its words, or 20 of a long one.

    In a query of one or two words an answer cannot be told from an echo.

    >>> is_echo(4, 6), is_echo(5, 6), is_echo(20, 300), is_echo(2, 2)
    (False, True, True, False)
    """
    return queried >= LEAST and run >= min(SHARE * queried, LONG)


def invents_query(instruction: str, text: str, rest: str | None) -> bool:
    """Whether the answer goes on to a further query that was not asked.

    That is the template's header where no fence had closed the answer, or a line that opens a turn ("User:",
    "### Question 2:"), outside of code and below the answer's beginning or right behind the fence; there the template's
    own header is only the layout. A word that the instruction holds too opens no turn: an instruction that asks for
    interview questions gets "Question 1:".

    >>> invents_query("Is tea hot?", "Yes.", "\\n\\n# Query:"), invents_query("Is tea hot?", "Yes.", "\\n```\\n\\n")
    (True, False)
    >>> [invents_query("Is tea hot?", "Yes.", f"\\n```\\n# {word}:\\n") for word in ("Query", "Question 1", "Tip")]
    [False, True, False]
    >>> invents_query("Is tea hot?", "Yes.\\nUser: And ice?", None), invents_query("Is tea hot?", "Q: is it?", "")
    (True, False)
    """
    following = (rest or "").lstrip()
    if following and not following.startswith("```"):  # the stop rule met the next query, and no fence before it
        return True
    prose, asked = _BLOCK.sub("", text), instruction.lower()
    turns = [turn for turn in _TURN.finditer(prose) if prose[: turn.start()].strip()]
    turns += [turn for turn in _TURN.finditer(rest or "") if turn[0] != HEADER]
    return any(turn["who"].lower() not in asked for turn in turns)
