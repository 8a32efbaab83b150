"""Texts of tokens: put together they are the text, for any text and for two kinds of tokenizer."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.relatives import relative

from superficial.probes.spans.spelling import Spelling
from superficial.shift.pair.vocabulary import Vocabulary
from superficial.shift.token_text import TokenText, readable

TEXT = st.text(max_size=40)


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tokenizers")
    return {name: relative(tiny_models / name, folder / name) for name in ("base", "pieces")}


@pytest.fixture(scope="module")
def spellings(manifests: dict[str, Path]) -> dict[str, Spelling]:
    return {name: Spelling(Vocabulary.read(manifest)) for name, manifest in manifests.items()}


@pytest.fixture(scope="module")
def shown(manifests: dict[str, Path]) -> TokenText:
    return TokenText(manifests["base"])


@pytest.mark.parametrize("name", ["base", "pieces"])
@given(text=TEXT)
@example(text="é\n\t 你好 \x00 🙂 <eos>")
def test_bytes_of_tokens_are_the_text_or_it_is_not_read(spellings: dict[str, Spelling], name: str, text: str):
    ids = spellings[name].read(text)
    if ids is not None:
        assert b"".join(spellings[name].texts[token] for token in ids) == text.encode()


@given(text=TEXT)
@example(text="a\r\n\tb\x1b[31m\u202e")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_reader_sees_of_whole_characters_is_the_text(
    shown: TokenText, spellings: dict[str, Spelling], text: str
):
    ids = spellings["base"].read(text) or []
    parts = [spellings["base"].texts[token] for token in ids]
    pieces = shown.show_all(ids)
    for part, piece in zip(parts, pieces, strict=True):
        try:
            whole = part.decode()
        except UnicodeDecodeError:
            continue
        if "\ufffd" not in whole:
            assert piece == readable(whole)
    if all(part.isascii() for part in parts):
        assert "".join(pieces) == readable(text)


@given(TEXT)
def test_what_is_shown_fits_in_a_line(text: str):
    assert readable(text).isprintable()
    assert readable("".join(char for char in text if char.isprintable())) == "".join(c for c in text if c.isprintable())
