"""A sentence-transformers model made in a second: a BERT without layers, which sees a text as a bag of words."""

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast


def make_embedder(folder: Path, texts: list[str], *, dimensions: int = 96) -> Path:
    """Save a model whose words are those of `texts`: the more words two texts share, the more alike their vectors."""
    words = sorted({word.strip(".,?!:;") for text in texts for word in text.casefold().split()} - {""})
    inner = Tokenizer(models.WordLevel({word: index for index, word in enumerate(["[PAD]", "[UNK]", *words])}, "[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]")
    torch.manual_seed(0)
    model = BertModel(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=dimensions, num_hidden_layers=0, num_attention_heads=2,
            intermediate_size=16, max_position_embeddings=128, type_vocab_size=1,
        )
    )  # fmt: skip
    with torch.no_grad():
        model.embeddings.position_embeddings.weight.zero_()
        model.embeddings.token_type_embeddings.weight.zero_()
    plain = folder.with_name(folder.name + "_bert")
    model.save_pretrained(plain)
    tokenizer.save_pretrained(plain)
    body = Transformer(str(plain), max_seq_length=128)
    SentenceTransformer(modules=[body, Pooling(dimensions), Normalize()], device="cpu").save_pretrained(str(folder))
    return folder
