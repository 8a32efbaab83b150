"""The prompt_search stage: which examples of a pool, in which order, bring the base nearest to the aligned model.

The paper writes its examples by hand (section 3.2). Here the responses of the aligned model on one half of the
instructions choose them; what that is worth is told by the other half.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import whole_file, write_sidecar
from superficial.artifacts.progress import progress
from superficial.artifacts.state_file import StateFile
from superficial.artifacts.table import read_table
from superficial.config.schema import RuntimeConfig, SearchStage
from superficial.models.load import load_model
from superficial.probes.search.distance import Half, MeasuredPrompt, PromptDistance, half_of
from superficial.probes.search.found_method import write_method
from superficial.probes.search.greedy import ExampleIds, SearchStep, greedy_search
from superficial.probes.search.halves import HALVES, split
from superficial.prompts.files import parts_of
from superficial.prompts.pool import read_pool
from superficial.shift.pair.pairing import Pairing

ANSWER = ["id", "token_ids", "earlier_answers"]  # what is read of a response
PROMPTS = ("none", "default", "found")  # without examples, the method as it is, what was found


def run(
    cfg: SearchStage,
    runtime: RuntimeConfig,
    *,
    pair: Path,
    base: Path,
    aligned: Path,
    data: Path,
    responses: Path,
    aligned_score: Path,
    prompt_files: Path | Sequence[Path],
    out: list[Path],
) -> None:
    """Write what was found as JSON, and as a file for config/method/.

    Of the aligned model only the head is used: its states lie in `aligned_score`. KL(aligned||base) is that of the
    compare stage, in nats over the whole vocabulary, its mean taken over the response tokens of a half. In the JSON:
    `prompts`, the ids of the examples of each; `steps`, the mean of every candidate, in the order of the pool, and what
    it took; `cost`, of the search from scratch; `responses`, by response the tokens and the sum of each prompt.
    """
    started = time.monotonic()
    files = [prompt_files] if isinstance(prompt_files, Path) else list(prompt_files)
    pool = pool_of(cfg, files)
    loaded, table = load_model(base, runtime.device), read_table(data)
    measure = PromptDistance(loaded, aligned, pair, cfg.method.prompt, files, table, runtime, out[0].parents[3])
    answers = Pairing.read(pair).read_by(loaded.manifest["name"], pd.read_parquet(responses, columns=ANSWER))
    ids, states = halves_of(table, cfg), StateFile(aligned_score)
    limits = {"search": cfg.max_positions, "test": None}
    halves = {name: half_of(ids[name], answers, states, limits[name]) for name in HALVES}
    tried: dict[ExampleIds, MeasuredPrompt] = {}
    total = sum(len(pool) - step for step in range(cfg.k))
    with progress("searching for examples", total, "candidates") as bar:

        def mean(shown: ExampleIds) -> float:
            tried[shown] = measure.kl(shown, halves["search"], grown=True)
            bar.update()
            return sum(tried[shown].kl) / sum(halves["search"].lengths)

        steps = greedy_search(pool, cfg.k, mean)
    assert cfg.method.prompt.examples is not None
    found = (*steps[-1].before, steps[-1].chosen)
    prompts: dict[str, ExampleIds] = {"none": (), "default": tuple(cfg.method.prompt.examples.ids), "found": found}
    measured = {
        (name, prompt): tried[shown] if (name, prompt) == ("search", "found") else measure.kl(shown, halves[name])
        for name in HALVES
        for prompt, shown in prompts.items()
    }
    rows = [row for name in HALVES for row in by_response(name, halves[name], table, measured)]
    trace = [traced(step, tried) for step in steps]
    result = {"method": cfg.method.name, "prompts": prompts, "steps": trace, "cost": cost(trace), "responses": rows}
    with whole_file(out[0]) as partial:
        partial.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_method(cfg.method, found, out[1])
    inputs = {"pair": pair, "base": base, "aligned": aligned, "data": data, "responses": responses}
    inputs |= {"aligned_score": aligned_score}
    inputs |= {f"prompt_{part}": file for part, file in zip(parts_of(cfg.method.prompt), files, strict=True)}
    facts = {**loaded.facts, "score_tokens": measure.score_tokens, "candidates": len(tried)}
    facts |= {"fed_tokens": measure.fed_tokens, "forward_passes": measure.forward_passes}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="prompt_search", config=config, inputs=inputs, started=started, facts=facts)


def pool_of(cfg: SearchStage, files: Sequence[Path]) -> list[str]:
    """Ids of all examples of the pool; a UserError where there is none, or where it holds too few."""
    prompt, where = cfg.method.prompt, f"method {cfg.method.name}, key prompt.examples"
    if prompt.examples is None:
        raise UserError("it has no examples to choose", where=where, remedy="name another one: search.method=NAME")
    pool = list(read_pool(dict(zip(parts_of(prompt), files, strict=True))["examples"]))
    if len(pool) < cfg.k:
        remedy = f"write more examples, or search.k={len(pool)}"
        raise UserError(f"{prompt.examples.file} holds {len(pool)} of {cfg.k}", where=where, remedy=remedy)
    return pool


def halves_of(data: pd.DataFrame, cfg: SearchStage) -> dict[str, list[str]]:
    """Ids of both halves; a UserError where nothing is left for the test."""
    found = split(data, cfg.examples, cfg.seed)
    if not found["test"]:
        raise UserError(
            f"{len(data)} instructions are too few for two halves", where="config, key dataset",
            remedy="give at least two of one category",
        )  # fmt: skip
    return found


def traced(step: SearchStep, tried: Mapping[ExampleIds, MeasuredPrompt]) -> dict[str, Any]:
    """One step: the examples before it, and its candidates with what they took."""
    candidates = []
    for name, value in step.values.items():
        one = tried[*step.before, name]
        took = {"fed_tokens": one.fed_tokens, "forward_passes": one.forward_passes}
        candidates.append({"example": name, "kl": value, "chosen": name == step.chosen, **took})
    known = {tried[*step.before, name].known_tokens for name in step.values}
    return {"before": step.before, "known_tokens": max(known), "candidates": candidates}


def cost(trace: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """What the search takes when nothing is kept: every candidate, and what the candidates of each step share."""
    every = [candidate for step in trace for candidate in step["candidates"]]
    shared = [step["known_tokens"] for step in trace]
    return {
        "candidates": len(every),
        "fed_tokens": sum(one["fed_tokens"] for one in every) + sum(shared),
        "forward_passes": sum(one["forward_passes"] for one in every) + sum(one > 0 for one in shared),
    }


def by_response(
    name: str, responses: Half, data: pd.DataFrame, measured: Mapping[tuple[str, str], MeasuredPrompt]
) -> list[dict[str, Any]]:
    """A row for each response of a half: its category, its tokens, and the sums under each prompt."""
    category = data.set_index("id")["category"]
    return [
        {"id": example, "half": name, "category": category[example], "tokens": count}
        | {prompt: measured[name, prompt].kl[row] for prompt in PROMPTS}
        for row, (example, count) in enumerate(zip(responses.ids, responses.lengths, strict=True))
    ]
