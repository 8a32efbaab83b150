"""The reference of our decoding loop: what transformers itself answers, and tiny models of three kinds to ask."""

from typing import Any

import torch
from support.tiny import make_tokenizer
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, Lfm2Config, Lfm2ForCausalLM, LlamaConfig, LlamaForCausalLM

from superficial.models.load import LoadedModel

TOKENIZER = make_tokenizer(chat=False)
VOCABULARY = len(TOKENIZER)
WINDOW = 8
PREFIX = 40
RESTS = (1, 3, 3, 9, 30, 60, 2, 5)  # tokens that a prompt has of its own
NEW = 20
SIZES = {"vocab_size": VOCABULARY, "hidden_size": 48, "intermediate_size": 96, "initializer_range": 0.3}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512}


def gemma(window: int = WINDOW) -> Any:
    """Sliding and full layers; the window is shorter than prefix, rests and answers."""
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    config = Gemma3TextConfig(
        **SIZES, **HEADS, num_hidden_layers=3, head_dim=16, sliding_window=window, layer_types=layers, bos_token_id=0,
        query_pre_attn_scalar=16, tie_word_embeddings=False,
    )  # fmt: skip
    return Gemma3ForCausalLM(config)


def llama() -> Any:
    return LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS, num_hidden_layers=2))


def recurrent() -> Any:
    """A model with convolution states beside keys and values."""
    layers = ["conv", "full_attention", "conv"]
    return Lfm2ForCausalLM(Lfm2Config(**SIZES, **HEADS, num_hidden_layers=3, layer_types=layers))


def loaded(make: Any, ends: list[int], **given: Any) -> LoadedModel:
    torch.manual_seed(5)
    model = make(**given).eval()
    # A sampling default, as many models ship one: nothing of it may reach greedy decoding.
    model.generation_config.update(temperature=3.0, do_sample=True, no_repeat_ngram_size=2, eos_token_id=ends)
    manifest = {"name": make.__name__, "files": {make.__name__: "hash"}, "dtype": "auto"}
    return LoadedModel(lambda: model, TOKENIZER, manifest, torch.device("cpu"), torch.float32, ends, 512)


def prompts(prefix: int = PREFIX, rests: tuple[int, ...] = RESTS) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    shared, *own = (torch.randint(5, VOCABULARY, (n,), generator=generator).tolist() for n in (prefix, *rests))
    return [shared + rest for rest in own]


def alone(loaded: LoadedModel, prompt: list[int], new_tokens: int, penalty: float = 1.0) -> list[int]:
    """Greedy answer of `model.generate` to one full prompt, whatever sampling defaults the model ships."""
    with torch.inference_mode():
        output = loaded.model.generate(
            input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=new_tokens, do_sample=False, num_beams=1, temperature=1.0, top_k=50, top_p=1.0,
            no_repeat_ngram_size=0, repetition_penalty=penalty, eos_token_id=loaded.end_ids,
            pad_token_id=loaded.end_ids[0],
        )  # fmt: skip
    return list(output[0, len(prompt) :].tolist())


def early_ends(make: Any) -> list[int]:
    """End tokens which two answers to `prompts()` have in their middle, so that rows leave a batch at different steps."""
    free = loaded(make, [1])
    return sorted({alone(free, prompts()[row], NEW)[at] for row, at in ((0, 7), (3, 15))})
