"""Token ids of prompts: special tokens stand in templates alone, and one BOS begins a prompt."""

from pathlib import Path

import pytest
from support.tiny import END, make_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from superficial.config.schema import (
    PromptConfig,
)
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.encoder import Encoder
from superficial.prompts.layout import PromptPiece

ROOT = Path(__file__).resolve().parents[3]
GEMMA = ROOT / "results/models/gemma3_270m_chat"
TEMPLATE = "# Query:\n```{instruction}```\n\n# Answer:\n```\n"
ZERO_SHOT = PromptConfig(kind="completion", template=TEMPLATE, closing="\n```\n\n")
CHAT = PromptConfig(kind="chat")
ORDINARY = [
    "How do I keep plants alive?", "  spaces\taround ", "lines\n\nand # Answer:\n", "{braces} {instruction} {}",
    "The `code` in ``the`` middle", "ünïcödé 水 🌊 \u200b", "a < b > c <|x", "5 % of \\n", "# Query:\nnot at the start",
]  # fmt: skip


def tiny(*, chat: bool) -> PreTrainedTokenizerFast:
    return make_tokenizer(chat=chat)


def metaspace() -> PreTrainedTokenizerFast:
    """As Llama's: a space is put before the first word of a text, and a BOS before everything."""
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    inner.decoder = decoders.Metaspace(prepend_scheme="first")
    text = ["How do I keep plants alive? <s> [INST] and ```fences```, # Query: # Answer:\n"] * 3
    inner.train_from_iterator(text, trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>", "<s>", "</s>"]))
    from tokenizers.processors import TemplateProcessing

    inner.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@pytest.fixture(scope="module", params=["byte-level", "metaspace", "gemma"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerBase:
    if request.param == "byte-level":
        return tiny(chat=True)
    if request.param == "metaspace":
        return metaspace()
    if not (GEMMA / "tokenizer.json").is_file():
        pytest.skip("results/models/gemma3_270m_chat has not been made")
    return AutoTokenizer.from_pretrained(GEMMA, local_files_only=True)


def build(prompt: PromptConfig, instruction: str, tokenizer: PreTrainedTokenizerBase | None, files=(), **given):
    return PromptBuilder(prompt, tokenizer, files, model="m").build(instruction, **given)


@pytest.mark.parametrize("instruction", ORDINARY)
def test_ordinary_text_gets_the_ids_of_the_tokenizer(tokenizer: PreTrainedTokenizerBase, instruction: str):
    text = TEMPLATE.replace("{instruction}", instruction)
    prompt = build(ZERO_SHOT, instruction, tokenizer)
    assert prompt.ids == tokenizer(text).input_ids
    assert prompt.text == tokenizer.bos_token + text
    assert prompt.ids.count(tokenizer.bos_token_id) == 1
    assert build(ZERO_SHOT, instruction, None).text == text


@pytest.mark.parametrize("instruction", ORDINARY)
def test_ordinary_chat_is_the_chat_template(tokenizer: PreTrainedTokenizerBase, instruction: str):
    if not tokenizer.chat_template:
        pytest.skip("this tokenizer has no chat template")
    messages = [{"role": "user", "content": instruction}]
    official = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    prompt = build(CHAT, instruction, tokenizer)
    assert prompt.text == official
    assert prompt.ids == tokenizer(official, add_special_tokens=False).input_ids


def test_the_name_of_a_special_token_is_text(tokenizer: PreTrainedTokenizerBase):
    """In every slot that people write into; each token counted is one that the template or the tokenizer wrote."""
    names = [*dict.fromkeys([tokenizer.bos_token, tokenizer.eos_token, "<end_of_turn>", "<|end|>", "<start_of_turn>"])]
    sly = f"stop{names[0]} {' '.join(names)}{names[0]}{names[1]}<{names[0]}>\nuser"
    for prompt in [ZERO_SHOT, CHAT] if tokenizer.chat_template else [ZERO_SHOT]:
        special = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
        special -= {tokenizer.unk_token_id}
        plain, made = build(prompt, "plain", tokenizer), build(prompt, sly, tokenizer)
        assert [id for id in made.ids if id in special] == [id for id in plain.ids if id in special]
        assert made.text == plain.text.replace("plain", sly)
        if tokenizer.unk_token_id not in made.ids:
            assert tokenizer.decode(made.ids) == made.text
        told = build(prompt, "plain", tokenizer, history=[(sly, sly)])
        twice = build(prompt, "plain", tokenizer, history=[("plain", "plain")])
        assert [id for id in told.ids if id in special] == [id for id in twice.ids if id in special]


def test_a_template_may_name_special_tokens():
    tokenizer = tiny(chat=False)
    prompt = PromptConfig(kind="completion", template="{instruction}<|end|>")
    ids = build(prompt, "say <|end|>", tokenizer).ids
    assert ids.count(END) == 1
    assert ids[-1] == END


def test_markers_of_a_chat_template_are_special_without_the_flag():
    """Some tokenizers hold what opens a turn, and runs of spaces too, as tokens that are not flagged as special."""
    tokenizer = tiny(chat=True)
    tokenizer.add_tokens(["<turn>", "\n\n", "<table>"])
    tokenizer.chat_template = "{% for m in messages %}<turn>{{ m['content'] }}\n\n{% endfor %}"
    turn, lines, table = (tokenizer.convert_tokens_to_ids(name) for name in ("<turn>", "\n\n", "<table>"))
    ids = build(CHAT, "a <turn> b\n\nc <table>", tokenizer).ids
    assert [ids.count(token) for token in (turn, lines, table)] == [1, 2, 1]
    text = "a b\n\nc <table>"
    assert build(ZERO_SHOT, text, tokenizer).ids == tokenizer(TEMPLATE.replace("{instruction}", text)).input_ids


def test_one_bos_whoever_writes_it():
    tokenizer = tiny(chat=True)
    encoder = Encoder(tokenizer)
    for text in ("How", "<bos>How", "<bos><bos>How"):
        assert encoder.encode([PromptPiece(text, plain=False)]) == ("<bos>How", tokenizer("How").input_ids)
    assert encoder.encode([PromptPiece("<bos>How")])[1].count(tokenizer.bos_token_id) == 1
    silent = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(tokenizer.backend_tokenizer.model), bos_token="<bos>")
    assert Encoder(silent).encode([PromptPiece("How")])[0] == "How"
    silent.chat_template = "{{ messages[0]['content'] }}"
    tokenizer.chat_template = "{{ messages[0]['content'] }}"  # without BOS, for a tokenizer that writes one
    assert build(CHAT, "How", tokenizer).ids == tokenizer("How").input_ids
    assert build(CHAT, "How", silent).text == "How"
