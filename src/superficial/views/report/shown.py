"""What a report shows: where each result stands in it, under which title, and what there is to see."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

SHIFT = "Token distribution shift"
METHODS = "Base models under prompts"
SCORES = "Judged answers"
DATA = "Instructions"
PAPER = "Beside the paper"


@dataclass(frozen=True)
class Shown:
    """A figure or table in the report; `text` says what is drawn, in words that hold for every run."""

    category: str
    title: str
    text: str


_FIGURES = {
    "shift_example": Shown(
        SHIFT,
        "A response, token by token (Figure 2)",
        "One response of the aligned model. The colour of a token is its category under the base model; below a token"
        " that is not unshifted stands what the base model would have said. Beside it the tokens that shift most.",
    ),
    "shift_ratio": Shown(
        SHIFT,
        "How much shifts, and which tokens (Figure 3)",
        "Shares of unshifted (base rank 1), marginal (rank 2 or 3) and shifted (below) response tokens, pooled over all"
        " positions, and the tokens that are shifted most often.",
    ),
    "shift_by_position": Shown(
        SHIFT,
        "The shift along the response (Figure 4)",
        "KL divergence in nats over the whole vocabulary, base rank and base probability by position; means over the"
        " responses that are still running there.",
    ),
    "shift_by_kind": Shown(
        SHIFT,
        "Which kinds of token shift",
        "Rate of shifted tokens and share of all shifted tokens for style, safety, content, number, punctuation and"
        " function words, and the odds of style against content.",
    ),
    "shift_by_topic": Shown(
        SHIFT, "Which instructions shift more", "Share of shifted tokens by task, by topic and by kind of instruction."
    ),
    "prefix_handoff": Shown(
        SHIFT,
        "Handed the first tokens, the base goes on",
        "The base model continues the aligned model's first k response tokens; how long it agrees, how alike the"
        " continuation is, and how much of the rest is unshifted.",
    ),
    "urial_recovery": Shown(
        SHIFT,
        "How much of the shift prompts recover",
        "Share of shifted tokens that a prompt makes the base model's first choice, by kind of token, and the share of"
        " the divergence that it closes.",
    ),
    "entropy": Shown(
        SHIFT,
        "How sure the base is where it shifts",
        "Entropy by position for every context, rate of shifted tokens by the base's entropy, and the calibration of"
        " its probabilities.",
    ),
    "causal_swap": Shown(
        SHIFT,
        "Whether the shifted tokens matter",
        "How like the aligned response (ROUGE-L) the base's text becomes when some of its tokens are the aligned"
        " model's choices, against the number of tokens swapped, and the reverse; and how a judge scores these texts.",
    ),
    "stage_ladder": Shown(
        SHIFT,
        "Which stage of training shifts what",
        "The categories of the same responses under the base, every stage of training and the aligned model, the flows"
        " between them, and which step settles which kind of token.",
    ),
    "byte_spans": Shown(
        SHIFT,
        "Two tokenizers: the shift by spans of bytes",
        "Log-probability of the same text under both models, which split it differently, and ranks where a span is one"
        " and the same token to both and both have every candidate above it.",
    ),
    "prompt_search": Shown(
        SHIFT,
        "Which examples bring the base nearest",
        "Examples of a pool, chosen one after the other so that the base's distributions come nearest to the aligned"
        " model's: every candidate on the half of the instructions that was searched on, and the gain on the other.",
    ),
    "safety_depth": Shown(
        SHIFT,
        "How deep safety goes",
        "KL divergence, share of shifted tokens and share of all divergence spent, by position, for harmful against"
        " regular instructions; and how often both models decline a harmful one when the first k tokens of their"
        " response are given.",
    ),
    "method_failures": Shown(
        METHODS,
        "How answers of the methods go wrong",
        "Share of answers that run on to the limit, loop, repeat the query or invent further ones, by method.",
    ),
    "methods_example": Shown(
        METHODS,
        "One instruction under every method (Figure 5)",
        "What the base model answers under each prompt, and the aligned model beside it.",
    ),
    "aspects_radar": Shown(
        SCORES, "Scores by aspect (Figure 1)", "Mean score of each system in six aspects, 1 to 5."
    ),
    "tasks_topics_radar": Shown(
        SCORES, "Scores by task and topic (Figure 7)", "Mean of five aspects over the instructions of each tag."
    ),
    "judge_trust": Shown(
        SCORES,
        "How far the judge can be trusted",
        "Share unscored, the commonest score, scores of responses that were changed where it must not matter, and how"
        " often a comparison flips with the order.",
    ),
    "dataset_stats": Shown(
        DATA, "Instructions by subset, task and topic (Figure 6)", "Shares; an instruction may have several tags."
    ),
}  # fmt: skip
_TABLES = {
    "findings": Shown(
        PAPER,
        "Table: the paper's claims, one by one",
        "What this run measured of each claim, with intervals, and whether it says the same.",
    ),
    "urial_recovery": Shown(
        SHIFT,
        "Table: how much of the shift prompts recover",
        "What each further context of the base closes of the divergence, which tokens it recovers and which it loses.",
    ),
    "prompt_search": Shown(
        SHIFT,
        "Table: which examples bring the base nearest",
        "Divergence from the aligned model without examples, with the method's own and with those that were found, on"
        " the half that was searched on and on the other; the gain, and what the search cost.",
    ),
    "definitions": Shown(
        SHIFT,
        "Table: the paper's definitions and the published code's",
        "The shares, mean KL and mean base probability under each definition, one change at a time.",
    ),
    "responses": Shown(METHODS, "Table: lengths and failures by method", "What every method's answers look like."),
    "scores": Shown(
        SCORES, "Table: scores by system (Table 1)", "Mean scores of every system, the paper's rows below."
    ),
    "pairwise": Shown(
        SCORES,
        "Table: two systems compared (Table 2)",
        "Win, tie and lose, asked in both orders and derived from scores.",
    ),
    "cases": Shown(
        SCORES,
        "Table: where two systems differ most (appendix B)",
        "Instructions with the largest gaps, and the reasons.",
    ),
    "published_scores": Shown(SCORES, "Table: published judgments", "Mean scores of every published system and judge."),
    "paper": Shown(PAPER, "The paper's values beside ours", "Every number of this run that the paper prints, too."),
}
SHOWN: Mapping[str, Shown] = {
    **{f"figures/{name}": one for name, one in _FIGURES.items()},
    **{f"tables/{name}": one for name, one in _TABLES.items()},
}


def shown(name: str) -> Shown:
    """The entry of `name`, figures/NAME or tables/NAME; one that nobody described stands under its own name."""
    title = name.split("/")[-1].replace("_", " ")
    return SHOWN.get(name, Shown("Further results", title, title))


def captioned(made: Iterable[str]) -> list[str]:
    """What stands in the report, figures/NAME and tables/NAME, of the files that a run makes; the paper's numbers last.

    >>> captioned(["results/figures/a.pdf", "results/browser/index.html", "results/tables/b.csv"])
    ['figures/a', 'tables/b', 'tables/paper']
    """
    names = ["/".join(Path(path).with_suffix("").parts[-2:]) for path in made]
    return [name for name in names if name.startswith(("figures/", "tables/"))] + ["tables/paper"]
