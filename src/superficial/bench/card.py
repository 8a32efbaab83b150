"""What one card does with this program: `make gpu-check`. At most eight minutes on 80 GB, no network.

A model of Llama-2-7B's shape gets random weights on the card; the default pair is asked where its files are. A line of
the table says what was measured and what is expected; FAILED ends in exit code 1. It needs torch 2.11 and transformers
5.17 or newer, and neither Snakemake nor Hydra nor pydantic:

    PYTHONPATH=src python -m superficial.bench.card [--tiny] [--out FILE]
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from superficial.bench.check import DTYPE, Check
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.batch import DecodingBatch
from superficial.inference.generate.decode import Decoder
from superficial.inference.generate.logits import NextLogits
from superficial.inference.room import answers_at_a_time, positions_at_a_time, tokens_at_a_time
from superficial.inference.shared_prefix import SharedPrefix
from superficial.inference.teacher_forcing import TeacherForcing
from superficial.inference.teacher_forcing import TokenSequence as Read
from superficial.models.head import LMHead, head_error
from superficial.models.load import load_model
from superficial.models.placement import pick_device
from superficial.shift.category import category_index
from superficial.shift.distributions import HeadAndStates, Workspace, contrast

PAIR = Path("results/models/gemma3_270m_chat/manifest.json")
QUESTIONS = Path("resources/datasets/demo.jsonl")
EXACT, NATS, OWN = 0.99, 1e-3, 0.95  # shares and nats that are asked for; no more is known of half precision


def rates(check: Check) -> None:
    """What the card does at best."""
    side, count = check.size(8192, 256), check.size(2**32, 2**20)
    left, right = torch.randn(2, side, side, device=check.device, dtype=DTYPE)
    source = torch.empty(count, dtype=torch.uint8, device=check.device)
    target = torch.empty_like(source)
    for work in (lambda: left @ right, lambda: target.copy_(source)):
        work()
    check.rate = 5 * 2.0 * side**3 / check.seconds(lambda: [left @ right for _ in range(5)])
    check.bandwidth = 2.0 * count / check.seconds(lambda: target.copy_(source))
    check.note("matrix products, bfloat16, TFLOP/s", check.rate / 1e12, "H100: some 800")
    check.note("copying, TB/s", check.bandwidth / 1e12, "H100: some 3")


def heads(check: Check) -> None:
    """The head against the model's own logits; ranks, categories and KL against float64."""
    head, hidden = LMHead.of(check.model), check.model.config.hidden_size
    sums = torch.backends.cuda.matmul
    before = sums.allow_bf16_reduced_precision_reduction
    try:
        for reduced in (True, False):
            sums.allow_bf16_reduced_precision_reduction = reduced
            for rows in (1, 8, 40, 256):
                states = torch.randn(rows, hidden, device=check.device, dtype=DTYPE)
                error = head_error(head, states, check.model.lm_head(states))
                check.note(f"self-check, sums in parts {reduced}, {rows} rows", error, "at most 1", error <= 1)
    finally:
        sums.allow_bf16_reduced_precision_reduction = before
    count = check.size(256, 16)
    states = torch.randn(count, hidden, device=check.device, dtype=DTYPE)
    other = states + 0.2 * torch.randn_like(states)
    exact = [one.double() @ head.weight.double().T for one in (states, other)]
    tokens = exact[1].argmax(dim=1)
    tokens[::2] = exact[1].topk(6, dim=1).indices[::2, 5]
    found = contrast(
        HeadAndStates(head, states),
        HeadAndStates(head, other),
        tokens,
        10,
        Workspace(count, head.vocabulary, check.device),
    )
    ranks = 1 + (exact[0] > exact[0].gather(1, tokens[:, None])).sum(dim=1)
    logs = [one.log_softmax(dim=1) for one in exact]
    kl = (logs[1].exp() * (logs[1] - logs[0])).sum(dim=1)
    same = float((ranks == found.base.rank).double().mean())
    categories = [category_index(one.cpu().numpy()) for one in (ranks, found.base.rank)]
    alike = float((categories[0] == categories[1]).mean())
    error = float((kl - found.kl_aligned_base).abs().max())
    check.note("ranks as in float64, share", same, f"at least {EXACT}", same >= EXACT)
    check.note("categories as in float64, share", alike, f"at least {EXACT}", alike >= EXACT)
    check.note("KL, largest difference from float64, nats", error, f"at most {NATS}", error <= NATS)


def loop(check: Check) -> None:
    """One pass over given tokens, in two batch sizes, against the decoding loop that reads them one by one."""
    rows, prompt, answer = check.size(32, 4), check.size(100, 12), check.size(64, 6)
    read = [Read(row[at % 7 : prompt], row[prompt:]) for at, row in enumerate(check.ids(rows, prompt + answer, 3))]
    head, tokens = LMHead.of(check.model), check.size(16_384, 4096)
    whole, small = (TeacherForcing(check.loaded, budget, quiet=True).states(read) for budget in (tokens, 1024))
    with_cache = DecodingBatch(check.loaded, SharedPrefix([]), NextLogits(check.model))
    steps = [with_cache.start([one.context for one in read])]
    for at in range(answer - 1):
        steps.append(with_cache.follow(range(rows), [one.response[at] for one in read]))
    looped = torch.stack(steps).permute(2, 0, 1).flatten(0, 1)  # (rows * answer, V)
    expected = head.logits(whole.to(check.device))
    for name, logits in (("in batches of 1,024", head.logits(small.to(check.device))), ("token by token", looped)):
        gap = float((logits - expected).abs().mean() / expected.std())
        check.note(f"logits {name}: mean difference, share of spread", gap, "0.005 to 0.02", gap < 0.1)
        check.note(f"first choice {name}: differs", float((logits.argmax(1) != expected.argmax(1)).float().mean()))


def scoring(check: Check) -> None:
    """Tokens a second, and which share of the card's rate that is."""
    rows, context, answer = check.size(256, 8), check.size(100, 10), check.size(250, 20)
    read = [Read(row[:context], row[context:]) for row in check.ids(rows, context + answer, 4)]
    lengths = [len(one.fed) for one in read]
    auto = tokens_at_a_time("auto", check.loaded, [one.context for one in read], lengths)
    check.note("score_tokens=auto", float(auto))
    TeacherForcing(check.loaded, 1024, quiet=True).states(read[:4])
    for budget in dict.fromkeys((1024, 4096, auto, check.size(65_536, 2048))):
        scorer = TeacherForcing(check.loaded, budget, quiet=True)
        speed = sum(lengths) / check.seconds(scorer.states, read)
        check.scored, share = max(check.scored, speed), check.operations * speed / check.rate
        check.note(f"{budget:,} tokens a batch: tokens/s", speed, "H100: 35,000 to 45,000 from 4,096 on")
        check.note(f"{budget:,} tokens a batch: share of matrix products", share, "0.45, aim 0.5")


def comparison(check: Check) -> None:
    """Positions a second over vocabularies of three sizes, in chunks of two."""
    count, hidden = check.size(4096, 64), check.model.config.hidden_size
    for vocabulary in (32_000, 128_256, 262_144) if not check.tiny else (1000,):
        weight = torch.randn(vocabulary, hidden, device=check.device, dtype=DTYPE).mul_(2.5 / hidden**0.5)
        head = LMHead(weight, None, 1.0, None)
        states = torch.randn(count, hidden, device=check.device, dtype=DTYPE)
        tokens = torch.randint(0, vocabulary, (count,), device=check.device)
        both = HeadAndStates(head, states), HeadAndStates(head, states.flip(0))
        check.note(f"V = {vocabulary:,}: position_chunk=auto", float(positions_at_a_time("auto", head)))
        for chunk in (256, 2048):
            space = Workspace(chunk, vocabulary, check.device)
            _compare(both, tokens, chunk, space)
            speed = count / check.seconds(_compare, both, tokens, chunk, space)
            check.note(f"V = {vocabulary:,}, chunks of {chunk:,}: positions/s", speed, "2,048 thrice as fast as 256")
            if check.scored:
                share = check.scored / (2 * speed)
                check.note(
                    f"V = {vocabulary:,}, chunks of {chunk:,}: time, of that of two passes", share, "aim: 1 at most"
                )


def _compare(both: tuple[HeadAndStates, HeadAndStates], tokens: torch.Tensor, chunk: int, space: Workspace) -> None:
    for start in range(0, len(tokens), chunk):
        left, right = (HeadAndStates(one.head, one.states[start : start + chunk]) for one in both)
        contrast(left, right, tokens[start : start + chunk], 10, space)


def decoding(check: Check) -> None:
    """Tokens a second of the own loop, against the memory's bound and transformers' loop; where the time goes."""
    new, prompt = check.size(64, 6), check.size(100, 10)
    given = [row[at % 9 :] for at, row in enumerate(check.ids(check.size(256, 6), prompt, 7))]
    auto = answers_at_a_time("auto", check.loaded, given, new)
    check.note("generate_batch=auto", float(auto))
    taken = check.loaded.footprint
    weights = taken.weights if taken else 0.0
    for batch in (40, 128, 256) if not check.tiny else (3, 6):
        decoder = Decoder(check.loaded, GreedyDecoding(new), batch)
        spent = check.seconds(lambda each, some: list(each.answers(some)), decoder, given[:batch])
        bound = (weights + batch * (prompt + new / 2) * (taken.kept if taken else 0)) / check.bandwidth
        check.note(f"{batch} rows: tokens/s", decoder.work.new_tokens / spent)
        check.note(f"{batch} rows: ms a step", 1000 * spent / new, "H100: 13 to 15, bound by launches")
        check.note(f"{batch} rows: ms a step that memory allows", 1000 * bound)
    rows = torch.tensor(check.ids(check.size(40, 3), prompt, 7), device=check.device)
    settings = {"max_new_tokens": new, "min_new_tokens": new, "do_sample": False, "pad_token_id": 0}
    mask = torch.ones_like(rows)
    spent = check.seconds(lambda: check.model.generate(input_ids=rows, attention_mask=mask, **settings))
    check.note(f"{len(rows)} rows, model.generate: tokens/s", len(rows) * new / spent, "the own loop is as fast")
    if check.device.type == "cuda":
        profile(check, given[:40])


def profile(check: Check, given: list[list[int]]) -> None:
    """How long the card is busy in a step, and with how many kernels."""
    rows = DecodingBatch(check.loaded, SharedPrefix([]), NextLogits(check.model))
    rows.start(given)
    rows.follow(range(len(given)), [7] * len(given))
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as seen:
        for _ in range(3):
            rows.follow(range(len(given)), [7] * len(given))
        torch.cuda.synchronize()
    events = [one for one in seen.key_averages() if one.device_type.name == "CUDA"]
    check.note(
        "card busy, ms a step", sum(one.self_device_time_total for one in events) / 3e3, "60 % of a step at most"
    )
    check.note("kernels a step", sum(one.count for one in events) / 3)


def pair(check: Check) -> None:
    """The default pair's aligned model: its answers are its own first choices; what another batch changes."""
    if check.tiny or not PAIR.is_file():
        check.note("the default pair", "left out", f"{PAIR} is not here" if not check.tiny else "tiny shape")
        return
    real = load_model(PAIR, "auto")
    asked = [json.loads(line)["instruction"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()[:12]]
    tokenizer: Any = real.tokenizer
    prompts: list[list[int]] = [
        tokenizer.apply_chat_template([{"role": "user", "content": one}], add_generation_prompt=True, return_dict=False)
        for one in asked
    ]
    answers = {size: dict(Decoder(real, GreedyDecoding(64), size).answers(prompts)) for size in (12, 1)}
    same = sum(answers[12][at].token_ids == answers[1][at].token_ids for at in answers[1])
    check.note("answers alike in batches of 12 and of 1, of 12", float(same), "most differ in bfloat16")
    read = [Read(prompt, answers[12][at].token_ids) for at, prompt in enumerate(prompts)]
    states = TeacherForcing(real, 4096, quiet=True).states(read).to(real.device)
    tokens = torch.tensor([token for one in read for token in one.response], device=real.device)
    logits = LMHead.of(real.model).logits(states)
    own = float((logits.gather(1, tokens[:, None])[:, 0] >= logits.amax(dim=1)).float().mean())
    check.note("answers are the model's first choice, share", own, f"0.98 to 0.995, at least {OWN}", own >= OWN)


SECTIONS = (("rates", rates), ("head", heads), ("loop", loop), ("scoring", scoring), ("comparison", comparison),
            ("decoding", decoding), ("pair", pair))  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, write it as JSON where `--out` says; 1 where a line failed."""
    parser = argparse.ArgumentParser(prog="python -m superficial.bench.card", description="Check one card.")
    parser.add_argument("--tiny", action="store_true", help="a tiny model: that the check runs, on a processor, too")
    parser.add_argument("--out", type=Path, help="write the numbers here, as JSON")
    parser.add_argument("--seconds", type=float, default=420.0, help="no section begins later")
    given = parser.parse_args(arguments)
    if pick_device("auto").type == "cpu" and not given.tiny:
        print("error: no card: nothing to check | remedy: add --tiny to see that it runs", file=sys.stderr)
        return 2
    check = Check(given.tiny, given.seconds)
    name = torch.cuda.get_device_name() if check.device.type == "cuda" else check.device.type
    print(f"{name}, torch {torch.__version__}, transformers {transformers.__version__}", flush=True)
    check.run(SECTIONS)
    if given.out:
        keys = ("section", "measure", "value", "expected", "right")
        lines = [dict(zip(keys, row, strict=True)) for row in check.rows]
        about = {"device": name, "torch": torch.__version__, "transformers": transformers.__version__}
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps({**about, "rows": lines}, indent=1) + "\n", encoding="utf-8")
    return int(any(row[-1] is False for row in check.rows))


if __name__ == "__main__":
    sys.exit(main())
