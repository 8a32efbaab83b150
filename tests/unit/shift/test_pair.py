"""What the pair stage finds in two vocabularies: exact, restricted, or refused with the reason."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from support.relatives import Edit, add_token, relative, rename
from support.tiny import make_tokenizer

from superficial.artifacts.errors import UserError
from superficial.config.schema import Nothing, RuntimeConfig
from superficial.models.head import LMHead
from superficial.shift.pair.match import match_vocabularies
from superficial.shift.pair.pairing import Pairing
from superficial.shift.pair.report import PairReport
from superficial.shift.pair.splitting import splitting_difference
from superficial.shift.pair.stage import run
from superficial.shift.pair.vocabulary import Vocabulary

RUNTIME = RuntimeConfig(device="cpu", generate_batch=2, score_tokens=100, position_chunk=16)
SIZE = len(make_tokenizer(chat=False))
Make = Callable[..., PairReport]


@pytest.fixture
def report(tiny_models: Path, tmp_path: Path) -> Make:
    """The report of the tiny pair; arguments make a relative of the base, those under `aligned` one of the other."""

    def make(aligned: dict[str, Any] | None = None, **base: Any) -> PairReport:
        left = relative(tiny_models / "base", tmp_path / "left", **base)
        right = relative(tiny_models / "aligned", tmp_path / "right", **(aligned or {}))
        return match_vocabularies(Vocabulary.read(left), Vocabulary.read(right))

    return make


def test_a_pair_that_matches(report: Make):
    found = report()
    assert (found.verdict, found.shared, found.moved, found.end_of_turn) == ("exact", SIZE, [], "same id")
    assert [(side.head_rows, side.only, side.excluded) for side in (found.base, found.aligned)] == [(SIZE, [], [])] * 2
    assert [token.text for token in found.aligned.ends] == ["<eos>", "<|end|>"]
    assert found.aligned.template_end == found.aligned.end_of_turn == found.aligned.ends[1]
    assert found.base.template_end is None
    assert found.base.end_of_turn.text == "<eos>"
    assert found.base.bos.text == "<bos>"
    assert found.base.writes_bos


def test_equal_padding_is_compared(report: Make):
    """Rows that both heads have and no token names: the same rows, so the heads stay whole."""
    found = report(aligned={"rows": 16}, rows=16)
    assert (found.verdict, found.shared, found.base.padding_rows) == ("exact", SIZE + 16, 16)
    head = LMHead(torch.ones(SIZE + 16, 2), None, 1.0, None)
    assert Pairing(found).base_head(head) is head


def test_a_padded_head_and_an_extra_token(report: Make):
    found = report(aligned={"rows": 48, "edit": add_token("<|pad|>", SIZE)}, rows=16)
    assert (found.verdict, found.shared, found.moved) == ("restricted", SIZE, [])
    assert [(token.id, token.text) for token in found.aligned.only] == [(SIZE, "<|pad|>")]
    assert (found.base.padding_rows, found.aligned.padding_rows) == (16, 47)
    assert (found.base.excluded, found.aligned.excluded) == ([(SIZE, SIZE + 15)], [(SIZE, SIZE + 47)])
    pairing = Pairing(found)
    assert pairing.base_ids.tolist() == pairing.aligned_ids.tolist() == list(range(SIZE))


def test_a_token_that_the_head_does_not_score(report: Make):
    """A tokenizer may name more tokens than there are rows: the model can neither read nor write them."""
    found = report(edit=add_token("<image>", SIZE))
    assert (found.verdict, found.base.beyond_head, found.base.only) == ("exact", 1, [])


def test_special_tokens_under_other_ids(report: Make):
    found = report(edit=rename(**{"|end|": "|user|", "|user|": "|end|"}))
    assert (found.verdict, found.shared, found.end_of_turn) == ("restricted", SIZE, "text")
    assert [(one.text, one.base, one.aligned, one.by) for one in found.moved] == [
        ("<|end|>", 3, 2, "text"), ("<|user|>", 2, 3, "text")
    ]  # fmt: skip
    assert found.base.excluded == found.aligned.excluded == []
    answers = pd.DataFrame({"id": ["a", "b"], "token_ids": [np.array([9, 3, 7, 2]), np.array([2, 3, 8])]})
    pairing = Pairing(found)
    assert pairing.places(answers).tolist() == [9, 3, 7, 2, 2, 3, 8]
    assert pairing.read_by("left", answers)["token_ids"].tolist() == [[9, 2, 7, 3], [3, 2, 8]]
    assert pairing.read_by("right", answers) is answers


def test_an_end_of_turn_that_the_base_lacks(report: Make):
    """It is matched with the base's own end, whose token the aligned model loses thereby."""
    found = report(edit=rename(**{"|end|": "|reserved|"}))
    assert (found.verdict, found.shared, found.end_of_turn) == ("restricted", SIZE - 1, "role")
    assert [(one.text, one.base, one.aligned, one.by) for one in found.moved] == [("<|end|>", 1, 2, "role")]
    assert [token.text for token in found.base.only] == ["<|reserved|>"]
    assert [token.text for token in found.aligned.only] == ["<eos>"]
    pairing = Pairing(found)
    one = lambda *ids: pd.DataFrame({"id": ["q7"], "token_ids": [np.array(ids)], "prompt_ids": [np.array(ids)]})  # noqa: E731
    assert pairing.read_by("left", one(9, 8, 2))["token_ids"].tolist() == [[9, 8, 1]]
    with pytest.raises(UserError, match=r"instruction q7: .* token 2 \('<\|end\|>'\) inside"):
        pairing.read_by("left", one(9, 2, 8))
    with pytest.raises(UserError, match=r"instruction q7: .* token 1 \('<eos>'\) which the base does not have"):
        pairing.read_by("left", one(9, 8, 1))
    with pytest.raises(UserError, match=r"token 1 \('<eos>'\) which the base does not have"):
        pairing.places(one(1, 8))
    with pytest.raises(UserError, match=r"token 2 \('<\|end\|>'\) inside"):
        pairing.context_read_by_base(one(0, 9, 2))


def swap_ordinary(tokenizer: dict[str, Any]) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]


@pytest.mark.fault(
    "tokenizers", "ordinary tokens have other ids", "one line that names file, key and remedy; exit code 2"
)
def test_ordinary_tokens_under_other_ids_are_refused(report: Make):
    with pytest.raises(UserError, match=r"pair left / right: different vocabularies: .* '[ab]' has id"):
        report(edit=swap_ordinary)


def swap_merges(tokenizer: dict[str, Any]) -> None:
    merges = tokenizer["model"]["merges"]
    merges[4], merges[5] = merges[5], merges[4]


def set_part(part: str, value: object) -> Edit:
    return lambda tokenizer: tokenizer.update({part: value})


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (swap_merges, r"the merges \(\d+ and \d+\) differ at number 5"),
        (lambda tokenizer: tokenizer["model"].update(ignore_merges=True), "ignore_merges of the tokenizer's model is True"),
        (set_part("normalizer", {"type": "Lowercase"}), r"steps of the normalizer \(1 and 0\) differ at number 1"),
        (lambda tokenizer: tokenizer["pre_tokenizer"].update(use_regex=False), "steps of the pre-tokenizer"),
    ],
)  # fmt: skip
@pytest.mark.fault("tokenizers", "merges in another order", "one line that names the first difference; exit code 2")
@pytest.mark.fault("tokenizers", "another way to apply merges", "one line that names the first difference; exit code 2")
@pytest.mark.fault("tokenizers", "another normalizer", "one line that names the first difference; exit code 2")
@pytest.mark.fault("tokenizers", "another pre-tokenizer", "one line that names the first difference; exit code 2")
def test_text_that_is_split_otherwise_is_refused(report: Make, edit: Edit, says: str):
    with pytest.raises(
        UserError, match=f"pair left / right: the tokenizers split text differently: .*{says}"
    ) as caught:
        report(edit=edit)
    assert "remedy" in str(caught.value)


def test_the_beginning_of_a_text_may_differ(report: Make):
    found = report(edit=lambda tokenizer: tokenizer["pre_tokenizer"].update(add_prefix_space=True))
    assert (found.verdict, found.text_start_differs) == ("exact", True)


def test_two_ways_to_write_the_same_splitting(tiny_models: Path, tmp_path: Path):
    """Llama tokenizers of older and newer files: a normalizer that replaces spaces, or a Metaspace that splits nothing."""
    left = Vocabulary.read(relative(tiny_models / "base", tmp_path / "left"))
    replaces = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    older = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replaces]}
    newer = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    written = [
        replace(left, description={**left.description, "normalizer": normalizer, "pre_tokenizer": pre_tokenizer})
        for normalizer, pre_tokenizer in ((older, None), (None, newer), (None, {**newer, "split": True}))
    ]
    assert splitting_difference(written[0], written[1]) is None
    assert "steps of the normalizer" in str(splitting_difference(written[0], written[2]))


@pytest.mark.fault(
    "models", "no tensor has the rows that config.json says", "one line that names file, key and remedy; exit code 2"
)
def test_weights_that_do_not_fit_the_configuration(tiny_models: Path, tmp_path: Path):
    manifest = relative(tiny_models / "base", tmp_path / "left")
    config = json.loads((tmp_path / "left/config.json").read_text())
    (tmp_path / "left/config.json").write_text(json.dumps(config | {"vocab_size": 512}))
    with pytest.raises(UserError, match=r"left/config.json: vocab_size is 512, and no tensor"):
        Vocabulary.read(manifest)


def test_the_file_gives_back_the_report(tiny_models: Path, tmp_path: Path):
    left = relative(tiny_models / "base", tmp_path / "left", rows=5)
    right = relative(tiny_models / "aligned", tmp_path / "right")
    for name in ("one", "two"):
        run(Nothing(), RUNTIME, base=left, aligned=right, out=tmp_path / f"{name}.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    pairing = Pairing.read(tmp_path / "one.json")
    assert pairing.report == match_vocabularies(Vocabulary.read(left), Vocabulary.read(right))
    assert pairing.report.base.excluded == [(SIZE, SIZE + 4)]
