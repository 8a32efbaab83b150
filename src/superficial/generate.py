"""The generate stage: a model answers every instruction by greedy decoding."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from superficial.artifact import digest, write_sidecar
from superficial.context import check_length, context_ids, require_chat_template
from superficial.models.load import Loaded, load_model
from superficial.progress import progress
from superficial.schema import GenerateStage, RuntimeConfig
from superficial.store import Store
from superficial.table import read_table, write_table


@dataclass(frozen=True)
class Request:
    """One prompt to answer; `key` is the content that decides the answer."""

    example: str
    prompt: list[int]
    key: str


def run(cfg: GenerateStage, runtime: RuntimeConfig, *, model: Path, data: Path, out: Path) -> None:
    """Write one row an instruction: id, prompt_ids, prompt_sha256, token_ids, text, finish_reason.

    The end-of-turn token, when the model emitted it, is the last of token_ids (paper, section 2.2). Answers are kept as
    they are finished in a store beside the results, so that a killed run goes on where it was.
    """
    started = time.monotonic()
    loaded = load_model(model, runtime.device)
    requests = build_requests(loaded, cfg, read_table(data))
    store = open_store(loaded, cfg.max_new_tokens, out.parents[3])
    made = answer(loaded, requests, cfg.max_new_tokens, runtime.generate_batch, store)
    write_table(pd.DataFrame([_row(loaded, request, store[request.key]) for request in requests]), out)
    seconds = time.monotonic() - started
    facts = {
        "device": str(loaded.device),
        "dtype": str(loaded.dtype),
        "new_tokens": made,
        "tokens_per_second": round(made / seconds, 2),
    }
    config = cfg.model_dump(mode="json")
    write_sidecar(
        out, stage="generate", config=config, inputs={"model": model, "data": data}, started=started, facts=facts
    )


def build_requests(loaded: Loaded, cfg: GenerateStage, data: pd.DataFrame) -> list[Request]:
    """One request an instruction, each checked against the model's length before anything is decoded."""
    if cfg.method.prompt.kind == "chat":
        require_chat_template(loaded.tokenizer, loaded.manifest["name"])
    requests = []
    for example, instruction in zip(data["id"], data["instruction"], strict=True):
        prompt = context_ids(loaded.tokenizer, cfg.method.prompt, instruction)
        check_length(loaded, len(prompt) + cfg.max_new_tokens, example=example, what="prompt and response")
        requests.append(greedy_request(loaded, example, prompt, cfg.max_new_tokens))
    return requests


def greedy_request(loaded: Loaded, example: str, prompt: list[int], max_new_tokens: int) -> Request:
    """A request whose key holds everything that decides its greedy answer."""
    return Request(example, prompt, digest([loaded.key, prompt, max_new_tokens, "greedy"]))


def open_store(loaded: Loaded, max_new_tokens: int, results: Path) -> Store:
    """The store of all answers of one model at one length, shared by the stages that decode."""
    return Store(results / ".responses" / f"{digest([loaded.key, max_new_tokens])[:32]}.jsonl")


def answer(loaded: Loaded, requests: list[Request], max_new_tokens: int, batch: int, store: Store) -> int:
    """Put the answer to every request into `store`; returns the number of tokens that had to be decoded."""
    made = 0
    open_requests = {request.key: request for request in requests if request.key not in store}
    with progress(f"generating ({loaded.manifest['name']})", len(requests), "responses") as bar:
        bar.update(len(requests) - len(open_requests))
        for group in _like_lengths(list(open_requests.values()), batch):
            answers = greedy(loaded, [request.prompt for request in group], max_new_tokens)
            store.put({request.key: tokens for request, tokens in zip(group, answers, strict=True)})
            made += sum(map(len, answers))
            bar.update(len(group))
            bar.set_postfix_str(f"{made} tokens")
    return made


def _like_lengths(requests: list[Request], size: int) -> Iterator[list[Request]]:
    """Batches of prompts of like length; whole batches are stored, so a resumed run cuts the same ones."""
    ordered = sorted(requests, key=lambda request: (len(request.prompt), request.key))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def greedy(loaded: Loaded, prompts: list[list[int]], max_new_tokens: int) -> list[list[int]]:
    """Greedy continuations of `prompts` as token ids, each cut after its end-of-turn token."""
    width = max(map(len, prompts))
    pad = loaded.end_ids[0]
    rows = [[pad] * (width - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    with torch.inference_mode():
        output = loaded.model.generate(
            input_ids=torch.tensor(rows, device=loaded.device),
            attention_mask=torch.tensor(mask, device=loaded.device),
            max_new_tokens=max_new_tokens,
            # Plain greedy decoding, whatever sampling defaults a model ships in its generation_config.
            do_sample=False,
            num_beams=1,
            temperature=1.0,
            top_k=50,
            top_p=1.0,
            repetition_penalty=1.0,
            eos_token_id=loaded.end_ids,
            pad_token_id=pad,
        )
    return [_cut(row[width:].tolist(), loaded.end_ids) for row in output]


def _cut(tokens: list[int], ends: list[int]) -> list[int]:
    for index, token in enumerate(tokens):
        if token in ends:
            return tokens[: index + 1]
    return tokens


def _row(loaded: Loaded, request: Request, tokens: list[int]) -> dict[str, Any]:
    ended = tokens[-1] in loaded.end_ids
    return {
        "id": request.example,
        "prompt_ids": request.prompt,
        "prompt_sha256": digest(request.prompt),
        "token_ids": tokens,
        "text": loaded.tokenizer.decode(tokens[:-1] if ended else tokens),
        "finish_reason": "stop" if ended else "length",
    }
