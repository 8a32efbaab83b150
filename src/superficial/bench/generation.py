"""How fast generation is: answers under the K = 3 prompt, against `model.generate` on full prompts, in one run.

Yardsticks: each prompt alone, as the published code asks, and the same batch without reuse of the prefix.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from superficial.bench.table import Note, require_model
from superficial.config.experiment import Experiment
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.decode import Decoder
from superficial.models.load import LoadedModel, load_model
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.files import prompt_files

BASE = Path("results/models/gemma3_270m/manifest.json")
INSTRUCTIONS = Path("resources/datasets/demo.jsonl")
METHOD = "urial_k3"
EXAMPLES, BATCH, ALONE = 40, 40, 3  # prompts of the data set, of a batch (as by default), and asked one by one
# No stop rule, so that all three decode the same: only an end token, which a base model hardly ever writes.
GREEDY = GreedyDecoding(max_new_tokens=32, repetition_penalty=1.1)


def main(note: Note, clock: Callable[[], float] = time.perf_counter) -> None:
    """Examples/s and their ratios."""
    require_model(BASE)
    base = load_model(BASE, "auto")
    prompts = read_prompts(base)
    list(Decoder(base, GreedyDecoding(2), BATCH).answers([prompts[0][-8:]]))  # warm-up
    some = range(0, EXAMPLES, EXAMPLES // ALONE)[:ALONE]
    decoder = Decoder(base, GREEDY, BATCH)
    ours, ours_rate = rate(clock, EXAMPLES, lambda: dict(decoder.answers(prompts)))
    alone, alone_rate = rate(clock, ALONE, lambda: [generate(base, [prompts[index]])[0] for index in some])
    _, batch_rate = rate(clock, BATCH, lambda: generate(base, prompts[:BATCH]))
    equal = sum(ours[index].token_ids == tokens for index, tokens in zip(some, alone, strict=True))
    note(f"{METHOD}, one by one, {ALONE} full prompts", alone_rate, "examples/s")
    note(f"{METHOD}, a batch of {BATCH} full prompts", batch_rate, "examples/s")
    note(f"{METHOD}, batches of {BATCH}, prefix read once", ours_rate, "examples/s")
    note("ratio to one by one", ours_rate / alone_rate, "times")
    note("ratio to the batch of full prompts", ours_rate / batch_rate, "times")
    note("answers like those one by one", equal, f"of {ALONE}")
    note("positions that rounding may decide", sum(one.near_ties for one in ours.values()), "tokens")
    note("read once", decoder.work.prefix_tokens_prefilled, "tokens")
    note("read in batches", decoder.work.suffix_tokens_prefilled, "tokens")


def read_prompts(base: LoadedModel) -> list[list[int]]:
    """The first demo instructions under the method."""
    run = Experiment(Path("config"), [])
    files = prompt_files(run.method(METHOD).prompt, run.settings.dataset.name, METHOD)
    builder = PromptBuilder.of(base, run.method(METHOD).prompt, [Path(file) for file in files])
    lines = INSTRUCTIONS.read_text(encoding="utf-8").splitlines()[:EXAMPLES]
    return [builder.build(json.loads(line)["instruction"]).ids for line in lines]


def generate(base: LoadedModel, prompts: list[list[int]]) -> list[list[int]]:
    """Answers of transformers to full prompts, padded on the left."""
    width, pad = max(map(len, prompts)), base.end_ids[0]
    rows = [[pad] * (width - len(one)) + one for one in prompts]
    mask = [[0] * (width - len(one)) + [1] * len(one) for one in prompts]
    with torch.inference_mode():
        output = base.model.generate(
            input_ids=torch.tensor(rows, device=base.device),
            attention_mask=torch.tensor(mask, device=base.device),
            max_new_tokens=GREEDY.max_new_tokens,
            do_sample=False,
            repetition_penalty=GREEDY.repetition_penalty,
            pad_token_id=pad,
        )
    return [list(row) for row in output[:, width:].tolist()]


def rate(clock: Callable[[], float], examples: int, work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns, and examples a second."""
    started = clock()
    found = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return found, examples / (clock() - started)
