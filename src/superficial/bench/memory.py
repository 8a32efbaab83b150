"""Peak memory of scoring and comparing, as the number of responses grows: it should not grow with it.

Two models with random weights, so small that they are a part of no number; instructions and responses are random, too.
`python -m superficial.bench.memory 1000 10000` measures these numbers of responses, every stage in its own process.
`superficial.bench.large` measures what follows.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from superficial.bench.statistics import response_lengths
from superficial.bench.table import Note, Table
from superficial.config.schema import CompareConfig, LocalSource, ModelConfig, PromptConfig, RuntimeConfig, ScoreStage
from superficial.inference.finish_reason import LENGTH

COUNTS = (1_000, 10_000)
LENGTH_OF = 250  # tokens of a response, mean; the longest has 2,048
WORDS, HIDDEN = 600, 64
PROMPT = PromptConfig(kind="completion", template="w1 w2 w3 {instruction} w4\n")
RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=16_384, position_chunk=4096)
GROUP = 2_000  # responses written at a time


def main(note: Note, counts: Sequence[int] = COUNTS) -> None:
    """Peak memory and seconds of each stage, by number of responses."""
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="superficial-bench-") as name:
            folder = Path(name)
            apart(write_inputs, folder, count)
            for label, words in commands().items():
                peak, seconds = measured(folder, words)
                note(f"{label}, {count:,} responses: peak memory", peak, "MB")
                note(f"{label}, {count:,} responses: time", seconds, "s")
            states = disk(folder, "results/scores", "results/.states")
            note(f"states on disk, {count:,} responses", states / 1e6, "MB")


def apart(work: Callable[[Path, int], None], folder: Path, count: int) -> None:
    """Do this in a process of its own: what a process has in memory when it starts others counts for their peaks."""
    process = get_context("spawn").Process(target=work, args=(folder, count))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError("the files could not be written")


def measured(folder: Path, words: Sequence[str]) -> tuple[float, float]:
    """Peak memory in MB and seconds of `python -m superficial` with these words, from a process of its own."""
    started = time.perf_counter()
    environment = os.environ | {"TQDM_DISABLE": "1"}
    command = [sys.executable, "-m", "superficial", *words]
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE) as process:
        said = process.stderr.read() if process.stderr else b""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(said.decode())
    return used.ru_maxrss / 1000, time.perf_counter() - started


def commands() -> Mapping[str, list[str]]:
    """The stages as the workflow calls them, in a folder with `results/`, each after those that it needs."""
    models = {side: f"results/models/{side}/manifest.json" for side in ("base", "aligned")}
    sides = [f"{side}={file}" for side, file in models.items()]
    contexts = {"base": "zero_shot", "aligned": "aligned"}
    scores = {side: f"results/scores/d/p/{side}.{seen}.safetensors" for side, seen in contexts.items()}
    pair, responses = "results/pairs/p.json", "responses=results/responses/d/aligned/aligned.parquet"
    found = {"pair": ["pair", "--cfg", "{}", *sides, f"out={pair}"]}
    asked = [f"pair={pair}", "data=results/data/d.parquet", responses]
    for side, out in scores.items():
        cfg = ScoreStage(context=PROMPT).model_dump_json()
        found[f"score, {side}"] = ["score", "--cfg", cfg, *asked, f"model={models[side]}", f"out={out}"]
    named = [f"pair={pair}", responses, *sides, *[f"{side}_score={file}" for side, file in scores.items()]]
    cfg = CompareConfig(top_k=10, least_first_choices=0).model_dump_json()
    found["compare"] = ["compare", "--cfg", cfg, *named, "out=results/shifts/d/p/zero_shot.parquet"]
    return {label: [*words, *runtime()] for label, words in found.items()}


def runtime() -> list[str]:
    """The words of a command that every stage takes."""
    return ["--runtime", RUNTIME.model_dump_json(exclude_defaults=True)]


def write_inputs(folder: Path, count: int) -> None:
    """Models, instructions and `count` responses, where the workflow has them."""
    results, rng = folder / "results", np.random.default_rng(0)
    ids = write_models_and_data(results, rng, count)
    lengths = response_lengths(rng, count, count * LENGTH_OF)
    (results / "responses/d/aligned").mkdir(parents=True)
    parts = (_responses(rng, ids[at : at + GROUP], lengths[at : at + GROUP]) for at in range(0, count, GROUP))
    first = next(parts)
    with pq.ParquetWriter(results / "responses/d/aligned/aligned.parquet", first.schema, compression="zstd") as writer:
        for part in (first, *parts):
            writer.write_table(part)


def write_models_and_data(results: Path, rng: np.random.Generator, count: int) -> list[str]:
    """Both models and `count` instructions; returns their ids."""
    for seed, side in enumerate(("base", "aligned")):
        _write_model(results / f"models/{side}", seed)
    ids = [f"e{number}" for number in range(count)]
    texts = [" ".join(f"w{word}" for word in rng.integers(5, WORDS, 20)) for _ in ids]
    tags = pa.array([[f"tag-{number % 7}"] for number in range(count)])
    kinds = ["regular" if number % 5 else "safety" for number in range(count)]
    data = {"id": ids, "instruction": texts, "category": kinds, "subset": ["made"] * count}
    data |= {"tasks": tags, "topics": tags, "turns": pa.array([[]] * count, pa.list_(pa.string()))}
    (results / "data").mkdir(parents=True)
    pq.write_table(pa.table(data), results / "data/d.parquet")
    return ids


def _responses(rng: np.random.Generator, ids: list[str], lengths: np.ndarray) -> pa.Table:
    answers = [np.minimum(rng.zipf(1.3, length) + 4, WORDS - 1).astype(np.int32) for length in lengths]
    texts = [" ".join(f"w{word}" for word in answer) for answer in answers]
    return response_rows(rng, ids, answers, texts, [LENGTH] * len(ids))


def response_rows(
    rng: np.random.Generator, ids: list[str], answers: Sequence[np.ndarray], texts: list[str], reasons: list[str]
) -> pa.Table:
    """Rows of a table of responses, after random prompts."""
    return pa.table(
        {
            "id": ids,
            "prompt_ids": [rng.integers(5, WORDS, 25).astype(np.int32) for _ in ids],
            "token_ids": list(answers),
            "text": texts,
            "finish_reason": reasons,
            "earlier_answers": pa.array([[]] * len(ids), pa.list_(pa.string())),
        }
    )


def _write_model(folder: Path, seed: int) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from superficial.models.manifest import FILE_NAME, write_manifest

    words = {"<bos>": 0, "<eos>": 1} | {f"w{number}": number for number in range(2, WORDS)}
    inner = Tokenizer(models.WordLevel(words, unk_token="<eos>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner, bos_token="<bos>", eos_token="<eos>"
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=HIDDEN, intermediate_size=HIDDEN, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=4096, bos_token_id=0, eos_token_id=1, initializer_range=0.35,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    source = LocalSource(kind="local", path=str(folder))
    write_manifest(folder / FILE_NAME, ModelConfig(name=folder.name, title=folder.name, licence="none", source=source))


def disk(folder: Path, *names: str) -> int:
    """Bytes below some folders; what is linked twice counts once."""
    files = (file.stat() for name in names for file in (folder / name).rglob("*.safetensors"))
    return sum({stat.st_ino: stat.st_size for stat in files}.values())


if __name__ == "__main__":
    main(Table().of("memory"), [int(word) for word in sys.argv[1:]] or COUNTS)
