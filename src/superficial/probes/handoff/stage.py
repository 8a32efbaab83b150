"""The handoff stage: the base model goes on from the first response tokens of the aligned model (paper, finding 4).

Decoding is plain greedy, without the repetition penalty of 1.1 that the paper gives base models: the continuation is
compared with a response that was decoded plainly, and a penalty alone would make the two differ.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import HandoffStage, Runtime
from superficial.data.dialogue import last_turns
from superficial.inference.finish_reason import EOS
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.go_on import go_on
from superficial.inference.generate.requests import GenerationRequest, generation_request
from superficial.models.load import LoadedModel, load_model
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.requirements import check_length
from superficial.shift.category import CATEGORIES
from superficial.shift.pair.pairing import Pairing
from superficial.shift.statistics.token_table import TokenTable

COLUMNS = ["example_id", "k", "window", "continuation", "agreeing", "agreeing_share", "rouge_l", "unshifted_rest"]


@dataclass(frozen=True)
class Handoff:
    """The base's prompt (its own context, then k response tokens), and the response tokens that came next."""

    request: GenerationRequest
    k: int
    rest: list[int]  # the response after position k, cut to the window; never empty
    cut_off: bool  # the response ends within the window without an end token, so what follows is unknown


def run(
    cfg: HandoffStage,
    runtime: Runtime,
    *,
    pair: Path,
    model: Path,
    data: Path,
    responses: Path,
    shifts: Path,
    prompt_files: Path | Sequence[Path] = (),
    out: Path,
) -> None:
    """Write one row for each example and k: the continuation's token_ids and how far it follows the response.

    `agreeing`: tokens of the longest agreeing run from the handoff on. `agreeing_share`: the same as a share of the
    response tokens in the window. `rouge_l`: F1 over words, 0 to 1. `unshifted_rest`: share of unshifted tokens among
    all response positions >= k (teacher-forced, from the token table). Responses of k tokens or fewer have no row at k.
    Continuations are kept in a store as they are finished, like the answers of the generate stage.
    """
    started = time.monotonic()
    loaded = load_model(model, runtime.device)
    # Ids are the base's throughout: it reads the first ones, and the others are compared with what it writes.
    answers = Pairing.read(pair).read_by(loaded.manifest["name"], read_table(responses))
    prompts = PromptBuilder.of(loaded, cfg.context, prompt_files)
    handoffs = build_handoffs(loaded, cfg, prompts, read_table(data), answers)
    greedy, requests = GreedyDecoding(cfg.max_new_tokens), [handoff.request for handoff in handoffs]
    found = go_on(runtime, loaded, model, greedy, requests, out.parents[3])
    asked = {handoff.request.example for handoff in handoffs}
    flags, ends = unshifted(TokenTable.open(shifts), asked), end_tokens(answers)
    rows = [
        _row(loaded, cfg, one, reply.token_ids, ends, flags[one.request.example])
        for one, reply in zip(handoffs, found.answers, strict=True)
    ]
    write_table(pd.DataFrame(rows, columns=COLUMNS), out)
    inputs = {"pair": pair, "model": model, "data": data, "responses": responses, "shifts": shifts, **prompts.files}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="handoff", config=config, inputs=inputs, started=started, facts=found.facts)


def build_handoffs(
    loaded: LoadedModel, cfg: HandoffStage, prompts: PromptBuilder, data: pd.DataFrame, responses: pd.DataFrame
) -> list[Handoff]:
    """Every k for the first `cfg.examples` regular instructions; responses that hold no token after k are left out."""
    chosen = data[data["category"] == "regular"].head(len(data) if cfg.examples is None else cfg.examples)
    answers = responses.set_index("id").loc[chosen["id"]]
    turns, handoffs = last_turns(chosen, responses), []
    for example, tokens, reason in zip(chosen["id"], answers["token_ids"], answers["finish_reason"], strict=True):
        query, before = turns[example]
        context = prompts.build(query, example=example, history=before).ids
        response = [int(token) for token in tokens]
        for k in [k for k in cfg.prefixes if k < len(response)]:
            prompt, rest = context + response[:k], response[k : k + cfg.max_new_tokens]
            what = "prompt and handoff.max_new_tokens"
            check_length(loaded, len(prompt) + cfg.max_new_tokens, example=example, what=what)
            # The response of a method may have been cut by a rule on its text as well: only an end token is an end.
            cut_off = reason != EOS and len(response) <= k + cfg.max_new_tokens
            asked = generation_request(loaded, GreedyDecoding(cfg.max_new_tokens), example, prompt)
            handoffs.append(Handoff(asked, k, rest, cut_off))
    return handoffs


def end_tokens(responses: pd.DataFrame) -> set[int]:
    """Tokens with which the aligned model ended its responses: they end the base's continuation too."""
    return {int(tokens[-1]) for tokens in responses["token_ids"][responses["finish_reason"] == EOS]}


def unshifted(table: TokenTable, examples: Collection[str]) -> dict[str, NDArray[np.bool_]]:
    """Of these examples: whether each response position is unshifted, (T,)."""
    found: dict[str, NDArray[np.bool_]] = {}
    for part in table.parts():
        flags = np.split(part.category == CATEGORIES.index("unshifted"), part.starts[1:])
        named = zip(part.ids, flags, strict=True)
        found |= {name: one.copy() for name, one in named if name in examples}  # copied: the part need not stay
    return found


def _row(
    loaded: LoadedModel,
    cfg: HandoffStage,
    handoff: Handoff,
    tokens: list[int],
    ends: set[int],
    flags: NDArray[np.bool_],
) -> dict[str, Any]:
    continuation = tokens[: next((at + 1 for at, token in enumerate(tokens) if token in ends), len(tokens))]
    # Nothing is known of a response beyond its own limit, so nothing there can agree or disagree.
    compared = continuation[: len(handoff.rest)] if handoff.cut_off else continuation
    run_length = agreeing_tokens(compared, handoff.rest)
    texts = [_text(loaded, ids, ends | set(loaded.end_ids)) for ids in (compared, handoff.rest)]
    values = (run_length, run_length / len(handoff.rest), rouge_l(*texts), flags[handoff.k :].mean())
    return dict(
        zip(COLUMNS, (handoff.request.example, handoff.k, cfg.max_new_tokens, continuation, *values), strict=True)
    )


def _text(loaded: LoadedModel, tokens: list[int], ends: set[int]) -> str:
    return str(loaded.tokenizer.decode(tokens[:-1] if tokens and tokens[-1] in ends else tokens))


def agreeing_tokens(left: Sequence[int], right: Sequence[int]) -> int:
    """Number of tokens from the start on that agree.

    >>> agreeing_tokens([5, 6, 7, 8], [5, 6, 9, 8])
    2
    """
    pairs = zip(left, right, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right)))


def rouge_l(left: str, right: str) -> float:
    """ROUGE-L of two texts: F1 of their longest common subsequence over words; 1 for two empty texts.

    >>> round(rouge_l("the cat sat down", "the dog sat"), 4)  # 2 words in common: 2 * 2 / (4 + 3)
    0.5714
    """
    first, second = left.split(), right.split()
    if not first and not second:
        return 1.0
    return 2 * common_subsequence(first, second) / (len(first) + len(second))


def common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence, by the usual table of which one row is kept.

    `row[n]` is the answer for the words of `left` so far and the first n of `right`.
    """
    row = [0] * (len(right) + 1)
    for word in left:
        diagonal = 0  # the entry above and to the left
        for column, other in enumerate(right, start=1):
            above = row[column]
            row[column] = diagonal + 1 if word == other else max(above, row[column - 1])
            diagonal = above
    return row[-1]
