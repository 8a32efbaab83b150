"""How much faster answers of mixed length come when prompts take the places of those that are answered.

The aligned model answers 200 instructions, once so and once in batches that run to their last row. Both take turns,
answer by answer, so that both meet the same machine.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from superficial.config.experiment import Experiment
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.decode import Decoder
from superficial.inference.generate.queue import batches
from superficial.models.load import LoadedModel, load_model
from superficial.prompts.builder import PromptBuilder

MODEL = Path("results/models/gemma3_270m_chat/manifest.json")
INSTRUCTIONS = Path("resources/alignment/train.jsonl")
EXAMPLES, BATCH = 200, 40
GREEDY = GreedyDecoding(max_new_tokens=256)
FIXED, REFILLED = "to the last row", "refilled"


def main(arguments: Sequence[str] = (), clock: Callable[[], float] = time.perf_counter) -> int:
    """Print tokens/s and their ratio; `arguments` may name a file with other instructions, JSON or JSON lines."""
    if not MODEL.is_file():
        print(f"error: {MODEL}: no such model | remedy: run `make figures` first", file=sys.stderr)
        return 2
    loaded = load_model(MODEL, "auto")
    source = Path(arguments[0]) if arguments else INSTRUCTIONS
    prompts = read_prompts(loaded, source)
    list(Decoder(loaded, GreedyDecoding(2), BATCH).answers(prompts[:2]))  # warm-up
    decoders = {name: Decoder(loaded, GREEDY, BATCH) for name in (FIXED, REFILLED)}
    found, seconds = take_turns(
        {FIXED: one_after_the_other(decoders[FIXED], prompts), REFILLED: decoders[REFILLED].answers(prompts)}, clock
    )
    print(f"{loaded.device}, {len(prompts)} prompts of {source}, answers of {GREEDY.max_new_tokens} tokens at most")
    for name, decoder in decoders.items():
        rate = decoder.work.new_tokens / seconds[name]
        print(f"batches of {BATCH}, {name:20s}{rate:8.1f} tokens/s   ({decoder.work.forward_passes} passes)")
    print(f"ratio                               {seconds[FIXED] / seconds[REFILLED]:8.2f}")
    equal = sum(found[FIXED][at] == one for at, one in found[REFILLED].items())
    print(f"equal answers                       {equal:8d} of {len(prompts)}")
    return 0


def read_prompts(loaded: LoadedModel, source: Path) -> list[list[int]]:
    """What the aligned model reads for instructions from all over the file, each once."""
    text = source.read_text(encoding="utf-8")
    rows = json.loads(text) if source.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    distinct = list(dict.fromkeys(row["instruction"] for row in rows))
    builder = PromptBuilder.of(loaded, Experiment(Path("config"), []).method("aligned").prompt, [])
    return [builder.build(one).ids for one in distinct[:: max(1, len(distinct) // EXAMPLES)][:EXAMPLES]]


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
