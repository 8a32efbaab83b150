"""Tiny models made in seconds: real architectures, real tokenizers, random weights."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from superficial.config.schema import PromptConfig
from superficial.prompts.builder import PromptBuilder

CHAT = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<bos>", "<eos>", "<|end|>", "<|user|>", "<|assistant|>"]
END = SPECIAL.index("<|end|>")


def make_tokenizer(*, chat: bool, seed_text: str = "") -> PreTrainedTokenizerFast:
    """A byte-level BPE with 400 tokens, trained on one fixed text; writes one BOS in plain use."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(
        [f"How do I keep plants alive? Here is a list of the things that you can do {seed_text}"] * 3, trainer
    )
    from tokenizers.processors import TemplateProcessing

    inner.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<bos>", eos_token="<eos>")
    if chat:
        tokenizer.chat_template = CHAT
    return tokenizer


def make_pieces() -> PreTrainedTokenizerFast:
    """Another way to split text, SentencePiece's: "▁" for a space, byte tokens for what it lacks.

    As Llama's it puts a space before a text, and takes one away when it decodes.
    """
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    inner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    names = ["<unk>", "<bos>", "<eos>"]
    trainer = trainers.BpeTrainer(vocab_size=150, special_tokens=names, show_progress=False)
    text = "Keeping many plants alive takes light, things to do, and a list of what each of them can be given. abcxyz"
    inner.train_from_iterator([text] * 3, trainer)
    inner.pre_tokenizer = None
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    description = json.loads(inner.to_str())
    vocabulary = description["model"]["vocab"]
    description["model"] |= {"byte_fallback": True, "fuse_unk": True}
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    inner = Tokenizer.from_str(json.dumps(description))
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<bos>", eos_token="<eos>", unk_token="<unk>")


def context_ids(tokenizer: PreTrainedTokenizerBase, prompt: PromptConfig, instruction: str) -> list[int]:
    """Token ids of one instruction under a prompt that needs no files."""
    return PromptBuilder(prompt, tokenizer, model="tiny").build(instruction).ids


def make_model(
    folder: Path,
    *,
    seed: int,
    shift: float = 0.0,
    chat: bool = False,
    positions: int = 2048,
    seed_text: str = "",
    tokenizer: PreTrainedTokenizerFast | None = None,
) -> Path:
    """Save a two-layer Llama; `shift` moves every weight a little, so that an aligned sibling resembles its base."""
    tokenizer = tokenizer or make_tokenizer(chat=chat, seed_text=seed_text)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=positions, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[1, END] if chat else tokenizer.eos_token_id,
        initializer_range=0.35,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    if shift:
        torch.manual_seed(seed + 1)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(shift * torch.randn_like(weight))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
