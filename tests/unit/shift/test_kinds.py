"""Kinds of tokens: every token has one, words decide and not pieces, and the statistics can be done by hand."""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import Nothing, RuntimeConfig, StatsConfig
from superficial.inference.finish_reason import EOS, LENGTH, STOP
from superficial.shift.kinds.agreement import agreement, classified, kappa
from superficial.shift.kinds.classify import KINDS, classify
from superficial.shift.kinds.stage import run
from superficial.shift.kinds.word_lists import LISTED, lexicon
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.kinds import kinds, odds_ratio
from superficial.shift.statistics.token_table import TokenTable

LABELLED = Path(__file__).parents[3] / "resources" / "kinds" / "labelled.csv"
STATS = StatsConfig(resamples=200, confidence=0.95, seed=0, top_tokens=5, min_occurrences=1)

TEXTS = (
    "Unfortunately, I'm sorry, but I cannot help with that.⏎⏎Would you like to try it? Feel free to ask!",
    "Of course! I'd be happy to help. Here are 3 ideas:⏎1. **Peel:** cut 2.5 cm off.⏎2. Wash it.⏎⏎I hope this helps.",
    "I must point out that it's illegal. On the other hand, self-harm needs care; e.g. talk to a counselor. 🙂",
    "Use `max_value` or:⏎```python⏎for x in range(10):⇥print(x)⏎```⏎However, the neighbour’s dog isn't in <b>it</b>.",
    "Naïve Größe 你好<U+200B> costs 1,000.50 €; the 1970s, 4², and so on … well, «such as» this_name.",
)


def by_character(text: str) -> list[str]:
    return classify(characters(text), ended=False)


def characters(text: str) -> list[str]:
    """Single characters. Control characters, which the table shows as one sign, become the spaces that they stand for."""
    return list(text.replace("<U+200B>", " "))


def cuts(text: str, rng: random.Random) -> list[tuple[int, int]]:
    """A random way to cut `text` into pieces of 1 to 9 characters."""
    ends = [0]
    while ends[-1] < len(text):
        ends.append(min(len(text), ends[-1] + rng.randint(1, 9)))
    return list(pairwise(ends))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("seed", range(8))
def test_kinds_do_not_depend_on_how_the_text_is_cut(text: str, seed: int) -> None:
    text = "".join(characters(text))
    truth = by_character(text)
    spans = cuts(text, random.Random(seed))
    for kind, (start, end) in zip(classify([text[a:b] for a, b in spans], ended=False), spans, strict=True):
        held = {name for name, char in zip(truth[start:end], text[start:end], strict=True) if not char.isspace()}
        words = held - {"punctuation"}
        # A piece inside one word has that word's kind; a piece that holds several words has the kind of one of them.
        assert kind in (words or {"punctuation"}), text[start:end]


@pytest.mark.parametrize("text", TEXTS)
def test_words_have_the_kind_of_their_characters(text: str) -> None:
    text = "".join(characters(text))
    truth = by_character(text)
    words, start = [], 0
    for piece in text.split(" "):
        words.append((start, piece))
        start += len(piece) + 1
    tokens = [(" " if start else "") + piece for start, piece in words]
    for kind, (start, piece) in zip(classify(tokens, ended=False), words, strict=True):
        assert not piece or kind in truth[start : start + len(piece)]


def test_every_token_gets_exactly_one_kind() -> None:
    tokens = [
        "",
        " ",
        "⏎⏎",
        "<0xF0>",
        "<U+0000>",
        "<|im_end|>",
        "</s>",
        "⇥",
        "Hello",
        " wor",
        "ld",
        "'s",
        "''",
        "🙂",
        "1",
        "```",
    ]
    for ended in (False, True):
        found = classify(tokens, ended=ended)
        assert len(found) == len(tokens)
        assert set(found) <= set(KINDS)
    assert classify([], ended=False) == []


def test_the_end_of_turn_is_only_where_the_caller_says() -> None:
    tokens = ["Hi", "<end_of_turn>", "</s>", "<|im_end|>"]
    assert "end" not in classify(tokens, ended=False)
    assert classify(tokens, ended=True)[-1] == "end"
    assert "end" not in classify(tokens, ended=True)[:-1]
    # The token's name plays no part, and the kinds before it are those of the text without it.
    assert classify([*tokens[:-1], "banana"], ended=True) == [*classify(tokens[:-1], ended=False), "end"]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["Un", "fortun", "ately"], ["style"] * 3),
        (["Of", " course", "!"], ["style", "style", "punctuation"]),
        ([" friends", " of", " course", " books"], ["content", "style", "style", "content"]),
        ([" instead", " of"], ["function", "function"]),
        (["Instead", ","], ["style", "punctuation"]),
        (["I", "’", "m", " sorry"], ["safety"] * 4),
        (["I", "'m", " sorry", " to", " hear"], ["style"] * 5),
        (["1", ".", " Two"], ["punctuation", "punctuation", "number"]),
        (["It", " is", " ", "1", ".", "5"], ["function", "function", "punctuation", "number", "number", "number"]),
        (["`", "however", "`"], ["punctuation", "content", "punctuation"]),
        (["```", "py", "⏎", "if", " 1", "⏎"], ["punctuation", "content", "punctuation", "content", "number", "punctuation"]),
        (["well", " known"], ["content", "content"]),
        (["Well", ",", " yes"], ["style", "punctuation", "content"]),
        ([" they", " feel", "⏎", "free"], ["function", "content", "punctuation", "content"]),
    ],
)  # fmt: skip
def test_rules(tokens: list[str], expected: list[str]) -> None:
    assert classify(tokens, ended=False) == expected


def test_lists_are_read_whole() -> None:
    known = lexicon()
    for kind in LISTED:
        assert any(entry.kind == kind for entries in known.entries.values() for entry in entries)
    for words, entries in known.entries.items():
        assert all(word and word == word.lower() and not set(word) & set("|?()^,’") for word in words), words
        assert all(len(entry.marked) == len(words) and any(entry.marked) for entry in entries), words


def test_agreement_with_the_labelled_tokens() -> None:
    table = read_table(LABELLED)
    found = agreement(classified(table, LABELLED)).set_index(["kind", "measure"])["value"]
    assert len(table) >= 420
    # Measured: accuracy 0.986, kappa 0.981; 2 points below, so that a change of the lists shows.
    assert found["all", "accuracy"] >= 0.966
    assert found["all", "kappa"] >= 0.961
    assert found["style", "recall"] >= 0.92
    assert found["style", "precision"] >= 0.92
    assert found["safety", "recall"] >= 0.96
    assert found["safety", "precision"] >= 0.93


def test_kappa_by_hand() -> None:
    truth, found = np.array(list("aaaabbbbcc")), np.array(list("aaabbbbacc"))
    # Agreement 8/10; by chance .4*.4 + .4*.4 + .2*.2 = .36.
    assert kappa(truth, found) == pytest.approx((0.8 - 0.36) / 0.64)
    assert kappa(truth, truth) == 1
    assert kappa(np.array(["a", "a"]), np.array(["a", "a"])) == 1


def synthetic() -> pd.DataFrame:
    """Three examples: style 6 shifted of 10, content 5 of 30, number 0 of 4, one end."""
    rows = []
    for kind, shifted, plain in (("style", 6, 4), ("content", 5, 25), ("number", 0, 4), ("end", 1, 0)):
        rows += [(kind, 9)] * shifted + [(kind, 1)] * plain
    table = pd.DataFrame(rows, columns=["kind", "base_rank"])
    table["example_id"] = [f"e{row * row % 5}" for row in range(len(table))]
    table = table.sort_values("example_id", kind="stable")
    table["position"] = table.groupby("example_id").cumcount()
    return table


def test_odds_ratio_by_hand() -> None:
    found = kinds(TokenTable.of(synthetic()), Bootstrap.over(3, STATS)).set_index(["measure", "kind"])
    row = found.loc["odds_ratio", "style"]
    assert row["value"] == pytest.approx((6.5 / 4.5) / (5.5 / 25.5))
    assert row["low"] < row["value"] < row["high"]
    assert list(found.loc["odds_ratio"].index) == ["style"]  # no safety token, no ratio of it


def test_odds_ratio_is_finite_without_shifted_tokens() -> None:
    some, others = np.array([[[0.0, 3.0]], [[0.0, 1.0]]]), np.array([[[2.0, 0.0]], [[4.0, 0.0]]])
    value, low, high = odds_ratio(some, others, Bootstrap.over(2, STATS))
    assert value[0] == pytest.approx((0.5 / 4.5) / (6.5 / 0.5))
    assert np.isfinite([low, high]).all()


def test_shares_and_rates_sum_to_one() -> None:
    found = kinds(TokenTable.of(synthetic()), Bootstrap.over(3, STATS))
    values = found.set_index("measure")["value"]
    assert values["share_of_shifted"].sum() == pytest.approx(1)
    assert values["share_of_tokens"].sum() == pytest.approx(1)
    rates = found[found["measure"].isin(["unshifted", "marginal", "shifted"])]
    assert rates.groupby("kind")["value"].sum().to_numpy() == pytest.approx(1)
    assert found.set_index(["measure", "kind"]).loc["share_of_shifted", "style"]["value"] == pytest.approx(6 / 12)
    assert (found["low"] <= found["value"] + 1e-12).all()
    assert (found["high"] >= found["value"] - 1e-12).all()


def test_a_table_without_shift_has_no_shares_of_it() -> None:
    found = kinds(TokenTable.of(synthetic().assign(base_rank=1)), Bootstrap.over(3, STATS))
    assert "share_of_shifted" not in set(found["measure"])
    assert found["value"].notna().all()


@pytest.mark.parametrize("batch", [1, 4, 1000])
def test_the_artifact_is_the_kind_of_each_response(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """However many rows are read at a time; only an end token that was emitted is the end of a turn."""
    texts = {
        "a": ["I", " can", "not", " help", "<eos>"],
        "b": ["However", ",", " rain"],
        "c": ["x"],
        "d": ["Un", "fortun", "ately", "```"],
    }
    rows = [(name, place, token) for name, tokens in texts.items() for place, token in enumerate(tokens)]
    table = pd.DataFrame(rows, columns=["example_id", "position", "token"])
    table.to_parquet(tmp_path / "shifts.parquet", row_group_size=3)
    reasons = {"d": STOP, "b": LENGTH, "a": EOS, "c": EOS}
    answers = pd.DataFrame({"id": reasons.keys(), "finish_reason": reasons.values()})
    answers.to_parquet(tmp_path / "responses.parquet")
    monkeypatch.setattr("superficial.shift.kinds.stage.BATCH", batch)
    files = {"shifts": tmp_path / "shifts.parquet", "responses": tmp_path / "responses.parquet"}
    run(Nothing(), RuntimeConfig.model_construct(), **files, out=tmp_path / "kinds.parquet")
    found = read_table(tmp_path / "kinds.parquet")
    assert found[["example_id", "position"]].astype(str).equals(table[["example_id", "position"]].astype(str))
    truth = [kind for name, tokens in texts.items() for kind in classify(tokens, ended=reasons[name] == EOS)]
    assert found["kind"].tolist() == truth
    codes = TokenTable.open(tmp_path / "kinds.parquet").codes("kind", KINDS)
    assert [KINDS[code] for code in codes] == truth
    assert truth.count("end") == 2
    whole = table[["example_id", "position"]].assign(kind=pd.Categorical(truth, categories=KINDS))
    write_table(whole.astype({"example_id": "category"}), tmp_path / "whole.parquet")
    assert (tmp_path / "kinds.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
