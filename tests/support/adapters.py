"""Adapters as peft makes them, on a tiny base."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from support.tiny import CHAT, make_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

ADDED = ("<|im_start|>", "<|im_end|>")
TURNS = CHAT.replace("<|end|>", ADDED[1])
SIZE = len(make_tokenizer(chat=False))
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj"]


def make_base(folder: Path, *, tied: bool = False, hidden: int = 48, layers: int = 2) -> Path:
    tokenizer = make_tokenizer(chat=False)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=96, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256, bos_token_id=0, eos_token_id=1,
        tie_word_embeddings=tied, initializer_range=0.12,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def train(
    base: Path, folder: Path, *, added: tuple[str, ...] = ADDED, config: dict[str, Any], **save: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Save an adapter on `base` with `added` tokens, every weight of it moved; returns ids (B, T) and its logits."""
    tokenizer = make_tokenizer(chat=False)
    tokenizer.add_special_tokens({"additional_special_tokens": list(added)})
    tokenizer.chat_template = TURNS if added else CHAT
    model = LlamaForCausalLM.from_pretrained(base)
    if added:
        model.resize_token_embeddings(len(tokenizer))
    tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, **config))
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in tuned.parameters():
            if weight.requires_grad:
                weight.add_(0.1 * torch.randn_like(weight))
    tuned.save_pretrained(folder, **save)
    tokenizer.save_pretrained(folder)
    ids = torch.randint(0, len(tokenizer), (4, 12), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return ids, tuned.eval()(input_ids=ids).logits
