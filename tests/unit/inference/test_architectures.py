"""Kinds of models beside the common one: decoded as transformers decodes them, or refused in one line."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.reference import HEADS, NEW, SIZES, TOKENIZER, alone, llama, loaded, prompts
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Phi3Config,
    RecurrentGemmaConfig,
    RecurrentGemmaForCausalLM,
)

from superficial.artifacts.errors import UserError
from superficial.config.schema import ModelConfig
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.choose import choose_tokens, tie_margin
from superficial.inference.generate.decode import Decoder
from superficial.inference.generate.logits import NextLogits
from superficial.models.head import LMHead
from superficial.models.load import load_end_ids, load_model, longest_sequence
from superficial.models.manifest import write_manifest


def opt() -> Any:
    """Its head reads a decoder inside of what transformers calls the base model."""
    return OPTForCausalLM(
        OPTConfig(
            vocab_size=SIZES["vocab_size"], hidden_size=48, ffn_dim=96, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=512, word_embed_proj_dim=48, init_std=0.3,
        )
    )  # fmt: skip


def gpt2() -> Any:
    """Learned positions."""
    sizes = {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 512, "initializer_range": 0.3}
    return GPT2LMHeadModel(GPT2Config(vocab_size=SIZES["vocab_size"], **sizes))


def recurrent_gemma() -> Any:
    """Recurrent states inside of the layers, which padding reaches."""
    return RecurrentGemmaForCausalLM(
        RecurrentGemmaConfig(**SIZES, **HEADS, num_hidden_layers=3, lru_width=48, attention_window_size=8)
    )


def mamba() -> Any:
    """No keys and values at all."""
    return MambaForCausalLM(
        MambaConfig(vocab_size=SIZES["vocab_size"], hidden_size=48, state_size=8, num_hidden_layers=2)
    )


def decoded(make: Any, batch: int) -> bool:
    """Whether the answers are those of transformers to each prompt alone."""
    model = loaded(make, [1])
    found = dict(Decoder(model, GreedyDecoding(NEW, 1.1), batch).answers(prompts()))
    return [found[at].token_ids for at in range(len(found))] == [alone(model, one, NEW, 1.1) for one in prompts()]


@pytest.mark.parametrize(("make", "batch"), [(opt, 3), (gpt2, 3), (recurrent_gemma, 1)])
def test_other_architectures_are_decoded_right(make: Any, batch: int):
    assert decoded(make, batch)


@pytest.mark.parametrize(
    ("make", "batch", "said"),
    [(mamba, 3, "keeps what it has read elsewhere.*engine=openai_server"), (recurrent_gemma, 3, "generate_batch=1")],
)
@pytest.mark.fault(
    "models",
    "padding or a cache of its own would change its answers",
    "one line that names file, key and remedy; exit code 2",
)
def test_a_model_that_would_be_decoded_wrong_is_refused(make: Any, batch: int, said: str):
    with pytest.raises(UserError, match=said):
        decoded(make, batch)


def manifest_of(folder: Path) -> Path:
    source = {"kind": "local", "path": str(folder)}
    about = ModelConfig.model_validate({"name": "tiny", "title": "T", "licence": "MIT", "source": source})
    write_manifest(folder / "manifest.json", about)
    return folder / "manifest.json"


@pytest.mark.fault("models", "it is an encoder-decoder model", "one line that names file, key and remedy; exit code 2")
def test_an_encoder_decoder_model_is_refused(tmp_path: Path):
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = BartConfig(d_model=16, vocab_size=SIZES["vocab_size"], encoder_ffn_dim=16, decoder_ffn_dim=16, **layers)
    BartForConditionalGeneration(config).save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"encoder-decoder model \(bart\).*decoder-only"):
        load_model(manifest_of(tmp_path), "cpu")


@pytest.mark.fault(
    "tokenizers", "nothing says which token ends a response", "one line that names file, key and remedy; exit code 2"
)
def test_a_model_without_end_token_is_refused(tmp_path: Path):
    model = llama()
    model.config.eos_token_id = model.generation_config.eos_token_id = None
    model.save_pretrained(tmp_path)
    nameless = SimpleNamespace(eos_token_id=None, name_or_path="here")
    with pytest.raises(UserError, match=r"which token ends a response.*eos_token_id"):
        load_end_ids(manifest_of(tmp_path), nameless)


def test_a_model_whose_positions_change_with_the_length_is_read_up_to_there():
    """One row of a batch beyond that would change all the others."""
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 6, "long_factor": [4.0] * 6}
    sizes = {"hidden_size": 48, "num_attention_heads": 4, "max_position_embeddings": 512, "pad_token_id": None}
    assert longest_sequence(Phi3Config(**sizes, original_max_position_embeddings=64, rope_parameters=rope)) == 64
    assert longest_sequence(Phi3Config(**sizes)) == 512
    assert longest_sequence(SimpleNamespace()) > 1_000_000


@pytest.mark.parametrize(("inputs", "head"), [("meta", "cpu"), ("cpu", "meta"), ("meta", "meta")])
def test_logits_come_back_to_the_device_of_the_inputs(inputs: str, head: str):
    """As where a model lies on several cards, and its tied head on the first of them. "meta" stands for a card."""
    states = SimpleNamespace(last_hidden_state=torch.zeros(2, 3, 4))
    following = NextLogits(SimpleNamespace(get_decoder=lambda: lambda **_: states))
    following._head = LMHead(torch.zeros(10, 4, device=head), None, 1.0, None)
    if (inputs, head) == ("cpu", "meta"):
        with pytest.raises(NotImplementedError, match="out of meta"):  # it tries: no tensor leaves that device
            following(input_ids=torch.zeros(2, 3))
    else:
        assert following(input_ids=torch.zeros(2, 3, device=inputs)).device.type == inputs


def test_near_ties_are_wider_in_half_precision_and_not_as_wide_as_a_step():
    """Logits 20 and one that another batch may swap with it; its lower neighbour in bfloat16 is no near tie."""
    logits = torch.tensor([[20.0], [19.97], [19.0]])
    seen = torch.tensor([[2]])
    assert choose_tokens(logits.clone(), seen, 1.0, tie_margin(torch.bfloat16)) == ([0], [True])
    assert choose_tokens(logits.clone(), seen, 1.0, tie_margin(torch.float32)) == ([0], [False])
    neighbour = torch.tensor([[20.0], [19.875]])
    assert choose_tokens(neighbour, seen[:, :0] * 0, 1.0, tie_margin(torch.bfloat16)) == ([0], [False])
    assert choose_tokens(logits[[0, 2]].clone(), seen[:, :0] * 0, 1.0, tie_margin(torch.bfloat16)) == ([0], [False])
