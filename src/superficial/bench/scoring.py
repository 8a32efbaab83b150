"""How fast scoring is, as ratios that are taken in one run on the default pair.

Two yardsticks: the time that the machine's own float32 matrix multiplication would need for the model's floating point
operations, and the way the paper's code scores (a full forward pass for every response token, top candidates only).
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from superficial.bench.table import Note, require_model
from superficial.inference.teacher_forcing import TeacherForcing, TokenSequence
from superficial.models.head import LMHead
from superficial.models.load import LoadedModel, load_model
from superficial.shift.compare import compare
from superficial.shift.distributions import HeadAndStates

RESPONSES, LENGTH, CONTEXT = 40, 128, 32  # responses, tokens of each, tokens of context before each
CANDIDATES = 30  # kept by the published loop
ROUNDS = 3
SAMPLED = 8  # the loop runs every 8th token only, because each takes a forward pass of its own
MODELS = Path("results/models")
BASE, ALIGNED = MODELS / "gemma3_270m/manifest.json", MODELS / "gemma3_270m_chat/manifest.json"


def main(note: Note) -> None:
    """Rates (medians of interleaved rounds) and their ratios."""
    for path in (BASE, ALIGNED):
        require_model(path)
    base, aligned = load_model(BASE, "auto"), load_model(ALIGNED, "auto")
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1000, 200_000, (RESPONSES, CONTEXT + LENGTH), generator=generator).tolist()
    sequences = [TokenSequence(row[:CONTEXT], row[CONTEXT:]) for row in ids]
    one_pass(base, aligned, sequences[:1])  # warm-up
    rounds: dict[str, list[float]] = {"gemm": [], "one pass": [], "loop": []}
    for _ in range(ROUNDS):
        rounds["gemm"].append(gemm_rate(base.device))
        tokens = RESPONSES * LENGTH
        rounds["one pass"].append(tokens / seconds(lambda: one_pass(base, aligned, sequences)))
        rounds["loop"].append(LENGTH / SAMPLED / seconds(lambda: loop(base, aligned, sequences[0])))
    gemm, single, many = (statistics.median(rounds[name]) for name in rounds)
    floor = sum(flops(model, sequences) for model in (base, aligned)) / (RESPONSES * LENGTH * gemm)  # seconds a token
    note("float32 matrix products", gemm / 1e9, "GFLOP/s")
    note(f"scoring and comparing, {RESPONSES} responses of {LENGTH} tokens", single, "tokens/s")
    note("the loop over tokens of the paper's code", many, "tokens/s")
    note("ratio to the loop", single / many, "times")
    note("share of what matrix products allow", single * floor, "of 1")


def one_pass(base: LoadedModel, aligned: LoadedModel, sequences: list[TokenSequence]) -> Any:
    """Scoring as the workflow does it: a pass per model over all responses, then the exact comparison."""
    tokens = torch.tensor([token for sequence in sequences for token in sequence.response])
    sides = [
        HeadAndStates(LMHead.of(model.model), TeacherForcing(model, 1024).states(sequences))
        for model in (base, aligned)
    ]
    return compare(sides[0], sides[1], tokens, 10, 256)


def loop(base: LoadedModel, aligned: LoadedModel, sequence: TokenSequence) -> None:
    """Scoring as the published code does it: both models run over the whole prefix for each response token."""
    for position in range(0, len(sequence.response), SAMPLED):
        seen = torch.tensor([sequence.context + sequence.response[:position]], device=base.device)
        for model in (base, aligned):
            with torch.inference_mode():
                model.model(seen).logits[0, -1].softmax(dim=-1).topk(CANDIDATES)


def flops(loaded: LoadedModel, sequences: list[TokenSequence]) -> float:
    """Floating point operations of one pass: two for each weight and token, the head at response positions only."""
    head: int = loaded.model.get_output_embeddings().weight.numel()
    body: int = sum(weight.numel() for weight in loaded.model.parameters()) - head
    fed = sum(len(sequence.fed) for sequence in sequences)
    return 2.0 * (body * fed + head * sum(len(sequence.response) for sequence in sequences))


def gemm_rate(device: torch.device, size: int = 2048, dtype: torch.dtype = torch.float32) -> float:
    """Floating point operations a second of a matrix product."""
    left, right = torch.randn(2, size, size, device=device, dtype=dtype)
    torch.mm(left, right)
    return 10 * float(size) ** 3 / seconds(lambda: [torch.mm(left, right) for _ in range(5)])


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of `work`."""
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started
