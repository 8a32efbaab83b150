"""How much faster answers come where the processor multiplies in bfloat16, against decoding in float32 alone.

The base answers the demo's instructions under the K = 3 prompt, with and without `superficial.models.screen`. Both take
turns, answer by answer, so that both meet the same machine.
"""

import time
from collections.abc import Callable
from itertools import chain
from unittest.mock import patch

from superficial.bench.generation import BASE, BATCH, read_prompts
from superficial.bench.refilling import note_turns, take_turns
from superficial.bench.table import Note, require_model
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.decode import Decoder
from superficial.models.load import load_model
from superficial.models.screen import multiplies_fast

GREEDY = GreedyDecoding(max_new_tokens=128, repetition_penalty=1.1)
SCREENED, EXACT = "bfloat16, then float32", "float32 alone"


def main(note: Note, clock: Callable[[], float] = time.perf_counter) -> None:
    """Tokens/s and their ratio."""
    require_model(BASE)
    base = load_model(BASE, "auto")
    if base.device.type != "cpu" or not multiplies_fast():
        print("screening left out: no processor with AMX or AVX512-BF16")
        return
    prompts = read_prompts(base)
    decoders = {name: Decoder(base, GREEDY, BATCH) for name in (SCREENED, EXACT)}
    works = {name: decoder.answers(prompts) for name, decoder in decoders.items()}
    started = clock()
    with patch("superficial.models.screen.multiplies_fast", lambda: False):  # asked at the first token alone
        first = next(works[EXACT])
    spent = clock() - started
    found, seconds = take_turns({SCREENED: works[SCREENED], EXACT: chain([first], works[EXACT])}, clock)
    seconds[EXACT] += spent
    note_turns(note, decoders, found, seconds, slow=EXACT, fast=SCREENED)
