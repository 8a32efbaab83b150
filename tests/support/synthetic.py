"""Examples for the shift browser that no model made: chosen ranks, hostile text."""

from collections.abc import Sequence
from typing import Any

from superficial.config.schema import BrowserStage, ComparedPair, JudgeTitle, ModelTitle, PromptConfig, ShownContext
from superficial.views.browser.payload import BrowserExample, FurtherContext

HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    "\"quotes\" 'and' `ticks` \\",
    "{{ 7 * 7 }}{% raw %}",
    "nul\x00here",
    "\x1b[31mred\x1b[0m",
    "\u202eleft\u2069 \u0645\u0631\u062d\u0628\u0627",
    "half \ud800 a pair",
    "<!-- <script>",
    "line\u2028break &amp; more",
]
LONG = "x" * 100_000


class Made(list[BrowserExample]):
    """Examples of a pair."""

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self]


def rows(tokens: Sequence[tuple[str, int]], width: int = 10) -> dict[str, list[Any]]:
    """Columns of a token table: each token has a text and a base rank; ids count from 1000, candidates from 1."""
    ids = [1000 + index for index in range(len(tokens))]
    others = list(range(1, width + 1))
    table: dict[str, list[Any]] = {
        "token_id": ids,
        "token": [text for text, _ in tokens],
        "base_rank": [rank for _, rank in tokens],
        "aligned_rank": [1] * len(tokens),
        "category": ["unshifted" if rank == 1 else "marginal" if rank <= 3 else "shifted" for _, rank in tokens],
        "base_prob": [0.5 / rank for _, rank in tokens],
        "aligned_prob": [0.625] * len(tokens),
        "kl_aligned_base": [0.25 * rank for _, rank in tokens],
        "kl_base_aligned": [1.5] * len(tokens),
        "js": [0.125] * len(tokens),
        "base_entropy": [2.25] * len(tokens),
        "aligned_entropy": [1.75] * len(tokens),
    }
    for side in ("base", "aligned"):
        found = []
        for token, rank in zip(ids, table[f"{side}_rank"], strict=True):
            # The emitted token stands at its rank, or beyond the list.
            found.append([*others[: rank - 1], token, *others[rank - 1 : width - 1]] if rank <= width else others)
        texts = dict(zip(ids, table["token"], strict=True))
        table[f"{side}_top_ids"] = found
        table[f"{side}_top_tokens"] = [[texts.get(one, f" w{one}") for one in each] for each in found]
        table[f"{side}_top_probs"] = [[0.5 / (place + 1) for place in range(len(each))] for each in found]
    return table


def example(name: str, tokens: Sequence[tuple[str, int]], **changes: Any) -> BrowserExample:
    """An example; `changes` replace what is usual."""
    usual: dict[str, Any] = {
        "id": name,
        "instruction": f"Tell me about {name}.",
        "category": "regular",
        "subset": "test",
        "tasks": ["info-seek"],
        "topics": ["nature"],
        "text": "".join(text for text, _ in tokens),
        "finish_reason": "eos",
        "contexts": {"base": f"# Query: {name}", "aligned": f"<user>{name}"},
        "rows": rows(tokens),
    }
    return BrowserExample(**(usual | changes))


def further(tokens: Sequence[tuple[str, int]], ranks: Sequence[int], prompt: str = "shown before") -> FurtherContext:
    """The base in another context, in which the tokens have these ranks."""
    return FurtherContext(prompt, rows([(text, rank) for (text, _), rank in zip(tokens, ranks, strict=True)]))


def stage(*pairs: str, contexts: Sequence[str] = (), judge: JudgeTitle | None = None) -> BrowserStage:
    """The configuration of a site with these pairs; `contexts`: titles of further ones, named c1, c2 and so on."""
    titles = {"zero_shot": "Zero-shot"} | {f"c{number}": title for number, title in enumerate(contexts, start=1)}
    prompt = PromptConfig(kind="completion", template="Q: {instruction}\nA:")
    sides = {side: ModelTitle(name=f"m_{side}", title=f"Model {side}") for side in ("base", "aligned")}
    return BrowserStage(
        dataset="tiny",
        dataset_title="made-up instructions",
        response="aligned",
        contexts=[ShownContext(name=name, title=title, prompt=prompt) for name, title in titles.items()],
        judge=judge,
        pairs=[ComparedPair(name=name, title=f"Pair {name}", **sides) for name in pairs],
        unshifted="#56B4E9",
        marginal="orange",
        shifted="#A50F4C",
    )
