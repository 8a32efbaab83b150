"""How much faster answers of mixed length come when prompts take the places of those that are answered.

The aligned model answers 200 instructions, once so and once in batches that run to their last row. Both take turns,
answer by answer, so that both meet the same machine.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from superficial.bench.table import Note, require_model
from superficial.config.experiment import Experiment
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.decode import Decoder
from superficial.inference.generate.queue import batches
from superficial.models.load import LoadedModel, load_model
from superficial.prompts.builder import PromptBuilder

MODEL = Path("results/models/gemma3_270m_chat/manifest.json")
INSTRUCTIONS = Path("resources/datasets/demo.jsonl")
WAYS = ("{}", "Briefly: {}", "{} Explain it.", "{} Give an example.", "I have a question. {}")  # to ask the same thing
EXAMPLES, BATCH = 200, 40
GREEDY = GreedyDecoding(max_new_tokens=256)  # as by default
FIXED, REFILLED = f"batches of {BATCH}, to the last row", f"batches of {BATCH}, refilled"


def main(note: Note, clock: Callable[[], float] = time.perf_counter) -> None:
    """Tokens/s and their ratio."""
    require_model(MODEL)
    loaded = load_model(MODEL, "auto")
    prompts = read_prompts(loaded)
    list(Decoder(loaded, GreedyDecoding(2), BATCH).answers(prompts[:2]))  # warm-up
    decoders = {name: Decoder(loaded, GREEDY, BATCH) for name in (FIXED, REFILLED)}
    found, seconds = take_turns(
        {FIXED: one_after_the_other(decoders[FIXED], prompts), REFILLED: decoders[REFILLED].answers(prompts)}, clock
    )
    note_turns(note, decoders, found, seconds, slow=FIXED, fast=REFILLED)


def read_prompts(loaded: LoadedModel) -> list[list[int]]:
    """What the aligned model reads for the demo's instructions, each asked in several ways."""
    builder = PromptBuilder.of(loaded, Experiment(Path("config"), []).method("aligned").prompt, [])
    asked = [json.loads(line)["instruction"] for line in INSTRUCTIONS.read_text(encoding="utf-8").splitlines()]
    return [builder.build(way.format(one)).ids for one in asked for way in WAYS][:EXAMPLES]


def one_after_the_other(decoder: Decoder, prompts: Sequence[list[int]]) -> Iterator[tuple[int, Answer]]:
    """Whole batches."""
    for rows in batches(prompts, BATCH):
        for at, answer in decoder.answers([prompts[row] for row in rows], prompts):
            yield rows[at], answer


def take_turns(
    works: Mapping[str, Iterator[tuple[int, Answer]]], clock: Callable[[], float]
) -> tuple[dict[str, dict[int, Answer]], dict[str, float]]:
    """All answers of each work, and its seconds; whoever has had least time is next."""
    found: dict[str, dict[int, Answer]] = {name: {} for name in works}
    seconds, going = dict.fromkeys(works, 0.0), dict(works)
    while going:
        name = min(going, key=seconds.__getitem__)
        started = clock()
        answer = next(going[name], None)
        seconds[name] += clock() - started
        if answer is None:
            del going[name]
        else:
            found[name][answer[0]] = answer[1]
    return found, seconds


def note_turns(
    note: Note,
    decoders: Mapping[str, Decoder],
    found: Mapping[str, Mapping[int, Answer]],
    seconds: Mapping[str, float],
    *,
    slow: str,
    fast: str,
) -> None:
    """Rate and passes of each decoder, how much faster `fast` was, and how many answers were equal."""
    for name, decoder in decoders.items():
        note(name, decoder.work.new_tokens / seconds[name], "tokens/s")
        note(f"{name}: forward passes", decoder.work.forward_passes, "")
    note("ratio", seconds[slow] / seconds[fast], "times")
    equal = sum(found[slow][at] == one for at, one in found[fast].items())
    note("equal answers", equal, f"of {len(found[fast])}")
