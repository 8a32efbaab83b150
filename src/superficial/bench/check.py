"""Measurements on one card, line by line, and the model with random weights that they are taken on."""

import gc
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from superficial.models.load import LoadedModel, footprint
from superficial.models.placement import pick_device

LLAMA_7B = {"hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32, "num_attention_heads": 32}
TINY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
DTYPE = torch.bfloat16


class Check:
    """The measurements; `rows` are (section, measure, value, what is expected, whether it is right or None)."""

    def __init__(self, tiny: bool, limit: float) -> None:
        self.tiny, self.device = tiny, pick_device("auto")
        self.rows: list[tuple[str, str, float | str, str, bool | None]] = []
        self._until, self._section = time.monotonic() + limit, ""
        self.model = _model(self.device, tiny)
        vocabulary = self.model.config.vocab_size
        body = sum(one.numel() for one in self.model.parameters())
        self.operations = 2.0 * (body - 2 * vocabulary * self.model.config.hidden_size)  # of a token, without the head
        taken = footprint(self.model.config, body, DTYPE)
        cards = (self.device.index or 0,) if self.device.type == "cuda" else ()
        tokenizer: Any = SimpleNamespace(decode=lambda ids: "x" * len(ids))
        manifest = {"name": "random weights", "files": {}, "dtype": "auto"}
        self.loaded = LoadedModel(lambda: self.model, tokenizer, manifest, self.device, DTYPE, [0], 4096, taken, cards)
        self.rate = self.bandwidth = 1.0  # operations and bytes a second at best
        self.scored = 0.0  # tokens a second at best

    def size(self, full: int, tiny: int) -> int:
        """A size for a card or for the tiny shape."""
        return tiny if self.tiny else full

    def ids(self, rows: int, length: int, seed: int = 0) -> list[list[int]]:
        """Random tokens; 0, which ends an answer, is none of them."""
        generator, most = torch.Generator().manual_seed(seed), self.model.config.vocab_size
        found: list[list[int]] = torch.randint(5, most, (rows, length), generator=generator).tolist()
        return found

    def seconds(self, work: Callable[..., object], *given: object) -> float:
        """Wall time of `work(*given)`, the card's included."""
        self._wait()
        started = time.perf_counter()
        work(*given)
        self._wait()
        return time.perf_counter() - started

    def note(self, measure: str, value: float | str, expected: str = "", right: bool | None = None) -> None:
        """A line of the table, printed at once."""
        self.rows.append((self._section, measure, value, expected, right))
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        wrong = "  FAILED" if right is False else ""
        print(f"{self._section:<11} {measure:<52} {shown:>12}   {expected}{wrong}", flush=True)

    def run(self, sections: Sequence[tuple[str, Callable[["Check"], None]]]) -> None:
        """One section after the other; one that breaks or comes too late is a line of the table."""
        for name, section in sections:
            self._section = name
            if time.monotonic() > self._until:
                self.note("left out, the time is up", "-")
                continue
            if self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            try:
                with torch.inference_mode():
                    section(self)
            except Exception as error:
                self.note(f"{type(error).__name__}: {error}".splitlines()[0][:90], "-", "", False)
            gc.collect()
            if self.device.type == "cuda":
                self.note("peak memory, GB", torch.cuda.max_memory_allocated() / 1e9)
                torch.cuda.empty_cache()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def _model(device: torch.device, tiny: bool) -> Any:
    """Random weights; the head is twice as wide as it begins, so that logits differ as those of real models do."""
    shape: dict[str, Any] = TINY if tiny else LLAMA_7B
    config = LlamaConfig(**shape, vocab_size=1000 if tiny else 32_000, max_position_embeddings=4096, eos_token_id=None)
    before = torch.get_default_dtype()
    torch.set_default_dtype(DTYPE)
    torch.manual_seed(0)
    try:
        with device:
            model: Any = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    with torch.no_grad():
        model.lm_head.weight.mul_(2)
    return model.eval()
