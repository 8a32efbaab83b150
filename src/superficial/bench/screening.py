"""How much faster answers come where the processor multiplies in bfloat16, against decoding in float32 alone.

The base answers the demo's instructions under the K = 3 prompt, with and without `superficial.models.screen`. Both take
turns, answer by answer, so that both meet the same machine.
"""

import sys
import time
from collections.abc import Callable
from itertools import chain
from unittest.mock import patch

from superficial.bench.generation import BASE, BATCH, read_prompts
from superficial.bench.refilling import print_turns, take_turns
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.decode import Decoder
from superficial.models.load import load_model
from superficial.models.screen import multiplies_fast

GREEDY = GreedyDecoding(max_new_tokens=128, repetition_penalty=1.1)
SCREENED, EXACT = "bfloat16, then float32", "float32 alone"


def main(clock: Callable[[], float] = time.perf_counter) -> int:
    """Print tokens/s and their ratio."""
    if not BASE.is_file():
        print(f"error: {BASE}: no such model | remedy: run `make figures` first", file=sys.stderr)
        return 2
    base = load_model(BASE, "auto")
    if base.device.type != "cpu" or not multiplies_fast():
        print("this machine decodes in one way only: no processor with AMX or AVX512-BF16 does it")
        return 0
    prompts = read_prompts(base)
    decoders = {name: Decoder(base, GREEDY, BATCH) for name in (SCREENED, EXACT)}
    works = {name: decoder.answers(prompts) for name, decoder in decoders.items()}
    started = clock()
    with patch("superficial.models.screen.multiplies_fast", lambda: False):  # asked at the first token alone
        first = next(works[EXACT])
    spent = clock() - started
    found, seconds = take_turns({SCREENED: works[SCREENED], EXACT: chain([first], works[EXACT])}, clock)
    seconds[EXACT] += spent
    print_turns(decoders, found, seconds, slow=EXACT, fast=SCREENED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
