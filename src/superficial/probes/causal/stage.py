"""The causal stage: what the base writes when some of its tokens are the aligned model's, and the other way round.

Decoding is plain greedy, without the repetition penalty of 1.1 that the paper gives base models (see
probes/handoff/stage.py): the reference is the aligned response, which was decoded plainly, and at no swaps the base's
own greedy response.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from superficial.artifacts.files import digest, write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import CausalStage, RuntimeConfig
from superficial.data.dialogue import answered_queries, last_turns
from superficial.inference.finish_reason import EOS
from superficial.models.load import LoadedModel, load_models
from superficial.models.thinking import ThinkingMarkers
from superficial.probes.causal.lockstep import SwappedResponse, SwapTask
from superficial.probes.causal.rule import NONE, SHIFTED, Side, SwapRule, at_random, swap_rules
from superficial.probes.causal.stored_swaps import StoredSwaps
from superficial.probes.handoff.stage import agreeing_tokens, rouge_l
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.requirements import check_length
from superficial.shift.pair.pairing import Pairing


def run(
    cfg: CausalStage,
    runtime: RuntimeConfig,
    *,
    pair: Path,
    base: Path,
    aligned: Path,
    data: Path,
    responses: Path,
    prompt_files: Path | Sequence[Path] = (),
    out: Path,
) -> None:
    """Write one row for each example and variant; ids of tokens are the aligned model's.

    `id`, `instruction`, `category` and `text` are there for the judge stage: to it, each row is a response. Where some
    think, `text` is the answer alone, and the column thinking holds what stands before (null: nothing).
    `swapped`, `changed`: tokens taken from the other model, and those of them that the driver would not have said.
    Against the aligned response (cut to the window) and, with `base_` before it, against the base's own: `agreeing`,
    tokens of the longest agreeing run from the start; `agreeing_share`, the same as a share of that response;
    `rouge_l`, F1 over words, 0 to 1. `identical`: 1 where the whole aligned response is reproduced.
    """
    started = time.monotonic()
    found_models = load_models([base, aligned], runtime.device)
    models: dict[Side, LoadedModel] = {"base": found_models[0], "aligned": found_models[1]}
    prompts = PromptBuilder.of(models["base"], cfg.context, prompt_files)
    chosen = drawn_instructions(read_table(data), cfg.examples, cfg.seed)
    answers = read_table(responses)
    contexts = build_contexts(models, cfg, prompts, chosen, answers)
    answering = StoredSwaps(models, Pairing.read(pair), runtime.generate_batch, out.parents[3])
    found = decode(cfg, contexts, answering)
    references = answers.set_index("id")["token_ids"]
    markers = ThinkingMarkers.of(models["aligned"].tokenizer, cfg.thinking)
    opened = opened_thinking(answers, markers) if markers else {}
    rows = []
    for (example, variant), one in found.items():
        reference = [int(token) for token in references[example]][: contexts[example].limit]
        own = found[example, "none"].token_ids
        ends = {end for loaded in models.values() for end in loaded.end_ids}
        row = {"example_id": example, "variant": variant, "window": cfg.max_new_tokens}
        row |= measure_response(models["aligned"], one, reference, own, ends)
        if markers:
            row["thinking"], row["text"] = markers.split(str(row["text"]), opened[example] and variant != "none")
        rows.append(row)
    queries = chosen.assign(example_id=chosen["id"], instruction=answered_queries(chosen, in_full=True).to_numpy())
    table = pd.DataFrame(rows).merge(queries[["example_id", "category", "instruction"]])
    table.insert(0, "id", table["example_id"] + "#" + table["variant"])
    if markers and table["thinking"].isna().all():
        table = table.drop(columns="thinking")
    write_table(table, out)
    inputs = {"pair": pair, "base": base, "aligned": aligned, "data": data, "responses": responses, **prompts.files}
    ties: dict[str, int] = {}
    for (example, _), one in found.items():
        ties[example] = ties.get(example, 0) + one.near_ties
    facts = {
        **models["base"].facts,
        "generate_batch": answering.batch,
        "forward_passes": answering.work.forward_passes,
        "fed_tokens": answering.work.fed_tokens,
        "near_ties": {example: count for example, count in ties.items() if count},
    }
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="causal", config=config, inputs=inputs, started=started, facts=facts)


def opened_thinking(responses: pd.DataFrame, markers: ThinkingMarkers) -> dict[str, bool | None]:
    """By id: True where the aligned model's prompt left its thinking open, None where nothing tells."""
    thinking = responses.get("thinking", pd.Series(None, index=responses.index, dtype=object))
    return {
        example: (isinstance(text, str) and not text.lstrip().startswith(markers.opening)) or None
        for example, text in zip(responses["id"], thinking, strict=True)
    }


def drawn_instructions(data: pd.DataFrame, examples: int | None, seed: int) -> pd.DataFrame:
    """Draw instructions, regular and safety in the shares of the data; a larger draw holds all smaller ones."""
    order = data.assign(drawn=[digest([seed, example]) for example in data["id"]]).sort_values("drawn")
    within = order.groupby("category")
    order["place"] = (within.cumcount() + 0.5) / within["id"].transform("size")
    order = order.sort_values(["place", "category"], kind="stable")
    return order.head(len(order) if examples is None else examples).drop(columns=["drawn", "place"])


def build_contexts(
    models: dict[Side, LoadedModel],
    cfg: CausalStage,
    prompts: PromptBuilder,
    data: pd.DataFrame,
    responses: pd.DataFrame,
) -> dict[str, SwapTask]:
    """By example: both prompts, and how far to decode; the rule is still NONE."""
    answers, turns, found = responses.set_index("id"), last_turns(data, responses), {}
    for example in data["id"]:
        query, before = turns[example]
        asked = prompts.build(query, example=example, history=before).ids
        own = [int(token) for token in answers.at[example, "prompt_ids"]]
        length = len(answers.at[example, "token_ids"])
        # Of a response that was cut off nothing is known beyond its limit.
        ended = answers.at[example, "finish_reason"] == EOS
        limit = cfg.max_new_tokens if ended else min(cfg.max_new_tokens, length)
        for loaded, ids in zip((models["base"], models["aligned"]), (asked, own), strict=True):
            check_length(loaded, len(ids) + limit, example=example, what="prompt and causal.max_new_tokens")
        found[example] = SwapTask((tuple(asked), tuple(own)), NONE, limit)
    return found


def decode(
    cfg: CausalStage, contexts: dict[str, SwapTask], answering: StoredSwaps
) -> dict[tuple[str, str], SwappedResponse]:
    """The response of every example and variant."""

    def task(example: str, rule: SwapRule) -> SwapTask:
        return SwapTask(contexts[example].prompts, rule, contexts[example].limit)

    asked = {
        (example, variant): task(example, rule)
        for example, context in contexts.items()
        for variant, rule in swap_rules(cfg.variants, cfg.first, context.limit).items()
    }
    if "random" in cfg.variants:
        asked |= {(example, ""): task(example, SHIFTED) for example in contexts}
    found = dict(zip(asked, answering.answer(list(asked.values())), strict=True))
    if "random" in cfg.variants:
        again = {}
        for example in contexts:
            shifted = found.pop((example, ""))
            rule = at_random(example, len(shifted.swapped), len(shifted.token_ids), cfg.seed)
            again[example, "random"] = task(example, rule)
        found |= dict(zip(again, answering.answer(list(again.values())), strict=True))
    return found


def measure_response(
    loaded: LoadedModel, one: SwappedResponse, reference: list[int], own: list[int], ends: set[int]
) -> dict[str, Any]:
    """The row of one response, compared with the aligned one and the base's own."""

    def text(tokens: list[int]) -> str:
        return str(loaded.tokenizer.decode(tokens[:-1] if tokens and tokens[-1] in ends else tokens))

    tokens = one.token_ids
    row: dict[str, Any] = {
        "token_ids": tokens,
        "text": text(tokens),
        "finish_reason": one.finish_reason,
        "swapped_at": one.swapped,
        "changed_at": one.changed,
        "tokens": len(tokens),
        "swapped": len(one.swapped),
        "changed": len(one.changed),
        "identical": float(tokens == reference),
    }
    for name, other in (("", reference), ("base_", own)):
        run_length = agreeing_tokens(tokens, other)
        row |= {f"{name}agreeing": run_length, f"{name}agreeing_share": run_length / len(other)}
        row[f"{name}rouge_l"] = rouge_l(text(tokens), text(other))
    return row
