"""Whether every engine gives the same answers: token for token, on the default pair, under three methods.

Where an answer differs, the local model says how near the tie was at the first token that does: the difference of the
two logits, relative to max(1, |best|), as the near ties of the generate stage are measured.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from superficial.config.experiment import Experiment
from superficial.config.schema.server import StartedConfig, StartedEngine
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.choose import penalised, tie_margin
from superficial.inference.generate.engine import LocalEngine
from superficial.inference.generate.started import OwnServerEngine
from superficial.inference.server.own import OwnServer
from superficial.models.load import LoadedModel, load_model
from superficial.prompts.builder import Prompt, PromptBuilder
from superficial.prompts.files import prompt_files

ASKED = (("gemma3_270m", "zero_shot"), ("gemma3_270m", "urial_k3"), ("gemma3_270m_chat", "aligned"))
INSTRUCTIONS = Path("resources/datasets/demo.jsonl")
TRANSFORMERS = "{python} -m transformers.cli.transformers serve {model} --host {host} --port {port} --dtype {dtype}"
HEAD = "| model | method | engine | equal answers | of | first difference at token | widest tie there | compared by |"


@dataclass(frozen=True)
class Difference:
    """The first token at which two answers part, counted from 0, and how near the tie was."""

    at: int
    tie: float


def main(arguments: Sequence[str] = ()) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m superficial.bench.identity", description="Compare engines.")
    parser.add_argument("--examples", type=int, default=40, help="instructions")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of one answer")
    parser.add_argument("--engines", nargs="+", default=["vllm", "transformers serve"])
    given = parser.parse_args([*arguments])
    engines = {name: cfg for name, cfg in served_engines().items() if name in given.engines}
    print(HEAD + "\n" + "|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for model, method in ASKED:
            manifest = Path(f"results/models/{model}/manifest.json")
            if not manifest.is_file():
                print(f"error: {manifest}: no such model | remedy: run `make figures` first", file=sys.stderr)
                return 2
            loaded = load_model(manifest, "auto")
            greedy, prompts = asked(loaded, method, given.examples, given.tokens)
            here = LocalEngine(loaded, greedy, "auto", Path(folder)).answer(prompts)
            for name, cfg in engines.items():
                own = OwnServer(cfg, loaded, manifest, Path(folder), "auto")
                engine = OwnServerEngine(own, manifest, greedy, Path(folder))
                there = engine.answer(prompts)
                engine.close()
                print(row(loaded, greedy, prompts, here, there, f"{model} | {method} | {name}", engine), flush=True)
    return 0


def served_engines() -> dict[str, StartedConfig]:
    """The engines whose server a job starts, by name."""
    settings = Experiment(Path("config"), ["engine=vllm"]).settings
    vllm = settings.engine
    assert isinstance(vllm, StartedEngine)
    serve = StartedConfig(
        python=sys.executable, packages=["transformers"], command=TRANSFORMERS, cpu_arguments="--device cpu",
        concurrency=8, penalty_field="frequency_penalty",
    )  # fmt: skip
    return {"vllm": vllm, "transformers serve": serve}


def asked(loaded: LoadedModel, method: str, examples: int, tokens: int) -> tuple[GreedyDecoding, dict[str, Prompt]]:
    """How a method decodes, and its prompts for the first demo instructions."""
    run = Experiment(Path("config"), [])
    chosen = run.method(method)
    files = prompt_files(chosen.prompt, run.settings.dataset.name, method)
    builder = PromptBuilder.of(loaded, chosen.prompt, [Path(file) for file in files])
    rows = [json.loads(line) for line in INSTRUCTIONS.read_text(encoding="utf-8").splitlines()[:examples]]
    prompts = {str(one["id"]): builder.build(one["instruction"], example=str(one["id"])) for one in rows}
    return GreedyDecoding.of(chosen.prompt, chosen.decoding, tokens), prompts


def differences(
    loaded: LoadedModel,
    greedy: GreedyDecoding,
    prompts: Mapping[str, Prompt],
    here: Mapping[str, Answer],
    there: Mapping[str, Answer],
) -> dict[str, Difference]:
    """By example where the token ids part; `here` are the local model's answers."""
    found = {}
    for example, prompt in prompts.items():
        ours, theirs = here[example].token_ids, there[example].token_ids
        if ours != theirs:
            pairs = enumerate(zip(ours, theirs, strict=False))
            at = next((index for index, (one, other) in pairs if one != other), min(len(ours), len(theirs)))
            found[example] = Difference(at, _tie(loaded, greedy, prompt.ids, ours, theirs, at))
    return found


def _tie(
    loaded: LoadedModel, greedy: GreedyDecoding, prompt: list[int], ours: list[int], theirs: list[int], at: int
) -> float:
    if at >= min(len(ours), len(theirs)):
        return float("inf")  # one goes on where the other ended: no tie between tokens
    read = prompt + ours[:at]
    with torch.no_grad():
        ids = torch.tensor([read], device=loaded.device)
        logits = loaded.model(ids, logits_to_keep=1).logits[0, -1].float().clone()
    seen = torch.tensor(sorted(set(read)), device=loaded.device)
    logits[seen] = penalised(logits[seen], greedy.repetition_penalty)
    best, other = float(logits[ours[at]]), float(logits[theirs[at]])
    return abs(best - other) / max(1.0, abs(best))


def row(
    loaded: LoadedModel,
    greedy: GreedyDecoding,
    prompts: Mapping[str, Prompt],
    here: Mapping[str, Answer],
    there: Mapping[str, Answer],
    what: str,
    engine: OwnServerEngine,
) -> str:
    """A line of the table; an engine that tells no token ids is compared by text."""
    by_ids = engine.facts()["token_ids"] == "told by the server"
    if not by_ids:
        equal = sum(here[example].text == there[example].text for example in prompts)
        return f"| {what} | {equal} | {len(prompts)} | | | text |"
    found = differences(loaded, greedy, prompts, here, there)
    first = min((one.at for one in found.values()), default=None)
    widest = max((one.tie for one in found.values()), default=None)
    told = "" if widest is None else f"{widest:.1e} (near: up to {tie_margin(loaded.dtype):.0e})"
    return (
        f"| {what} | {len(prompts) - len(found)} | {len(prompts)} | {'' if first is None else first} | {told} | ids |"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
