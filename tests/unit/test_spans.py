"""Spans of bytes: tokens of two tokenizers told in bytes, what they have in common, and log-probabilities of it."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from relatives import relative
from tiny import END, context_ids

from superficial import compare, score
from superficial.errors import UserError
from superficial.figures import byte_spans
from superficial.models.fetch import run as fetch
from superficial.models.load import Loaded, load_model
from superficial.pair.stage import run as pair_stage
from superficial.pair.vocabulary import Vocabulary
from superficial.schema import (
    CompareConfig,
    FigureStage,
    IntervalsConfig,
    LocalSource,
    ModelConfig,
    Nothing,
    PairTitle,
    PromptConfig,
    RuntimeConfig,
    ScoreStage,
)
from superficial.spans import stage
from superficial.spans.pair import match
from superficial.spans.pair import run as byte_pair
from superficial.spans.report import ByteReport
from superficial.spans.segments import segments
from superficial.spans.spelling import Spelling
from superficial.spans.statistics import statistics
from superficial.spans.table import END as END_OF_TURN
from superficial.spans.table import LEFT_OUT, TEXT
from superficial.table import read_table, write_table

RUNTIME = RuntimeConfig(device="cpu", generate_batch=2, score_tokens=200, position_chunk=16)
ZERO_SHOT = PromptConfig(kind="completion", template="# Query:\n```{instruction}```\n\n# Answer:\n```\n")
CHAT = PromptConfig(kind="chat")
CFG = IntervalsConfig(resamples=300, confidence=0.95, seed=0)
TEXTS = (
    "Keep many plants alive!",
    "  two spaces, then a list:\n\n- do things\n- you can\n",
    " leading space, trailing space ",
    "🙂 an emoji, a family 👩‍👩‍👧, a flag 🇪🇺",
    "e\u0301 combining, x\u0336 struck, \u0928\u093f Devanagari, עִבְרִית",
    "def f(x):\n\tif x != 1:\n        return {'a': x**2}  # ½ ≤ π\r\n",
    "a <eos> that is text, and <|end|>, [INST], <0x41>",
    "\u200bzero width, \ufeffa BOM, \x00 and \x07",
    "日本語の文章、Привет мир, ÇA VA",
)
Models = dict[str, Path]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Models:
    """Manifests: `base` and `aligned` share a byte-level tokenizer, `pieces` has another, `other` other merges."""
    folder = tmp_path_factory.mktemp("models")
    found = {name: folder / name / "manifest.json" for name in ("base", "aligned", "pieces", "other")}
    for name, out in found.items():
        source = LocalSource(kind="local", path=str(tiny_models / name))
        fetch(ModelConfig(name=name, title="t", licence="none", source=source), RUNTIME, out=out)
    return found


@pytest.fixture(scope="module")
def spelled(models: Models) -> dict[str, Spelling]:
    return {name: Spelling(Vocabulary.read(manifest)) for name, manifest in models.items()}


@pytest.mark.parametrize("name", ["base", "pieces", "other"])
@pytest.mark.parametrize("text", TEXTS)
def test_bytes_of_tokens_are_those_of_the_text(spelled: dict[str, Spelling], name: str, text: str):
    spelling = spelled[name]
    ids = spelling.read(text)
    assert ids is not None
    assert not set(ids) & spelling.special.keys()
    parts = [spelling.texts[token] for token in ids]
    assert b"".join(parts) == text.encode()
    assert spelling.written(ids) == parts


@pytest.mark.parametrize("name", ["base", "pieces"])
def test_any_tokens_are_text_up_to_the_last_whole_character(spelled: dict[str, Spelling], name: str):
    """Random ids, most of which make no UTF-8 in the end: the longest prefix that does, by trying each."""
    spelling, rng = spelled[name], random.Random(3)
    usual = [token for token, part in spelling.texts.items() if part.isascii()]
    for _ in range(60):
        whole = spelling.read(rng.choice(TEXTS)) or []
        ids = [*rng.choices(usual, k=rng.randrange(4)), *whole, *rng.choices([*spelling.texts], k=rng.randrange(8))]
        cut = ids[: rng.randrange(len(ids) + 1)]
        parts = [spelling.texts[token] for token in cut]
        lengths = [
            n
            for n in range(len(cut) + 1)
            if b"".join(parts[:n]).decode(errors="ignore").encode() == b"".join(parts[:n])
        ]
        assert spelling.written(cut) == parts[: max(lengths)]


def test_text_ends_before_a_special_token(spelled: dict[str, Spelling]):
    ids = spelled["base"].read("keep alive") or []
    assert spelled["base"].written([*ids, 3, *ids]) == spelled["base"].written(ids)
    assert spelled["base"].written([3, *ids]) == []


def test_a_text_that_a_tokenizer_changes_is_not_read(spelled: dict[str, Spelling]):
    """In pieces "▁" stands for a space, so that nobody can write it there."""
    assert spelled["pieces"].read("a ▁ b") is None
    assert spelled["base"].read("a ▁ b") is not None


def test_of_two_tokens_with_the_same_bytes_the_one_that_the_tokenizer_writes(spelled: dict[str, Spelling]):
    ids = spelled["pieces"].vocabulary.ids
    twins = [byte for byte in range(128) if chr(byte) in ids and chr(byte) != "<"]
    assert len(twins) > 5
    assert all(spelled["pieces"].keys[bytes([byte])] == ids[chr(byte)] for byte in twins)
    assert spelled["pieces"].keys[b"\xf0"] == ids["<0xF0>"]
    assert spelled["pieces"].keys["<eos>"] == ids["<eos>"]


def test_segments_are_the_finest_that_both_have():
    rng = random.Random(1)
    for _ in range(50):
        text = bytes(rng.choices(range(256), k=rng.randrange(1, 30)))
        left, right = (_cut(text, rng) for _ in range(2))
        ends = [set(np.cumsum([len(part) for part in side]).tolist()) for side in (left, right)]
        found = segments(left, right)
        assert [one.stop for one in found] == sorted(ends[0] & ends[1])
        assert [one.start for one in found] == [0, *(one.stop for one in found[:-1])]
        for one in found:
            assert b"".join(left[one.base]) == b"".join(right[one.aligned]) == text[one.start : one.stop]
    assert segments([], []) == []


def _cut(text: bytes, rng: random.Random) -> list[bytes]:
    cuts = sorted({0, len(text), *rng.choices(range(len(text)), k=rng.randrange(len(text)))})
    return [text[start:stop] for start, stop in pairwise(cuts)]


@dataclass
class Study:
    """Responses with odd text: whole ones with an end of turn, one that was cut off, one that pieces cannot read."""

    folder: Path
    manifests: Models
    loaded: dict[str, Loaded]
    data: Path
    responses: Path

    @property
    def answers(self) -> pd.DataFrame:
        return read_table(self.responses)

    def spans(self, base: str, name: str, runtime: RuntimeConfig = RUNTIME) -> pd.DataFrame:
        """The table of the pair of `base` and the aligned model, in a folder of results of its own."""
        results = self.folder / f"{base}-{name}"
        sides = {"base": self.manifests[base], "aligned": self.manifests["aligned"]}
        report, out = results / "pairs/p.bytes.json", results / "spans/d/p/zero_shot.parquet"
        byte_pair(Nothing(), runtime, **sides, out=report)
        asked = {"pair": report, **sides, "data": self.data, "responses": self.responses}
        stage.run(ScoreStage(context=ZERO_SHOT), runtime, **asked, out=out)
        return read_table(out)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, models: Models) -> Study:
    folder = tmp_path_factory.mktemp("study")
    loaded = {name: load_model(manifest, "cpu") for name, manifest in models.items()}
    tokenizer, queries = (
        loaded["aligned"].tokenizer,
        [f"How do I keep {index} plants?" for index in range(len(TEXTS) + 4)],
    )
    responses = [[*tokenizer(text, add_special_tokens=False).input_ids, END] for text in TEXTS[:6]]
    responses += [Spelling(Vocabulary.read(models["aligned"])).read(text) or [] for text in TEXTS[6:]]
    cut_off = tokenizer("keep 🙂", add_special_tokens=False).input_ids[:-1]  # within the emoji
    responses += [cut_off, tokenizer("a ▁ b", add_special_tokens=False).input_ids, [END]]
    responses.append(agreeable(loaded, queries[-1], 12))
    names = [f"e{index}" for index in range(len(responses))]
    data = pd.DataFrame({"id": names, "instruction": queries, "turns": [[] for _ in names]})
    answers = pd.DataFrame({"id": names, "token_ids": responses, "earlier_answers": [[] for _ in names]})
    answers["prompt_ids"] = [context_ids(tokenizer, CHAT, query) for query in queries]
    write_table(data, folder / "data.parquet")
    write_table(answers, folder / "responses.parquet")
    return Study(folder, models, loaded, folder / "data.parquet", folder / "responses.parquet")


def agreeable(loaded: dict[str, Loaded], query: str, length: int) -> list[int]:
    """Tokens of the aligned model that it and `pieces` both find probable, so that some ranks are low on both sides."""
    spelled = {
        name: Spelling(Vocabulary.read(Path(loaded[name].tokenizer.name_or_path) / "manifest.json"))
        for name in ("aligned", "pieces")
    }
    own, other = (spelled[name].keys for name in ("aligned", "pieces"))
    both = [key for key in own.keys() & other.keys() if isinstance(key, bytes) and key.isascii()]
    asked = context_ids(loaded["aligned"].tokenizer, CHAT, query)
    read = context_ids(loaded["pieces"].tokenizer, ZERO_SHOT, query)
    found: list[int] = []
    for _ in range(length):
        text = b"".join(spelled["aligned"].written(found)).decode()
        scores = torch.zeros(len(both))
        for name, ids, keys in (
            ("aligned", asked + found, own),
            ("pieces", read + (spelled["pieces"].read(text) or []), other),
        ):
            with torch.inference_mode():
                after = loaded[name].model(torch.tensor([ids])).logits[0, -1].log_softmax(dim=0)
            scores += after[[keys[key] for key in both]]
        found.append(own[both[int(scores.argmax())]])
    return found


@pytest.fixture(scope="module")
def mixed(study: Study) -> pd.DataFrame:
    """Spans of `pieces` and the aligned model: two tokenizers."""
    return study.spans("pieces", "one")


def logits(loaded: Loaded, context: list[int], response: list[int]) -> torch.Tensor:
    """(T, V), one forward pass a token: what is read ends before the token that is predicted."""
    with torch.inference_mode():
        rows = [loaded.model(torch.tensor([context + response[:at]])).logits[0, -1] for at in range(len(response))]
    return torch.stack(rows).double()


def test_two_tokenizers(study: Study, mixed: pd.DataFrame):
    """Spans against one loop a side over single tokens, with the ranks and candidates from its logits."""
    tokens, queries = study.answers.set_index("id"), read_table(study.data).set_index("id")["instruction"]
    spelled = {name: Spelling(Vocabulary.read(study.manifests[name])) for name in ("pieces", "aligned")}
    for example in ("e0", "e12"):
        rows = mixed[(mixed["example_id"] == example) & (mixed["part"] != LEFT_OUT)]
        sides = {
            "base": (
                study.loaded["pieces"],
                context_ids(study.loaded["pieces"].tokenizer, ZERO_SHOT, queries[example]),
            ),
            "aligned": (study.loaded["aligned"], tokens.at[example, "prompt_ids"].tolist()),
        }
        for side, (model, context) in sides.items():
            ids = np.concatenate(rows[f"{side}_ids"].to_list()).tolist()
            found = logits(model, context, ids).log_softmax(dim=1)
            each = found[range(len(ids)), ids]
            other = spelled["aligned" if side == "base" else "pieces"].keys
            own = {token: key for key, token in spelled["pieces" if side == "base" else "aligned"].keys.items()}
            at = 0
            for _, row in rows.iterrows():
                part = slice(at, at + row[f"{side}_tokens"])
                assert row[f"{side}_logprob"] == pytest.approx(each[part].sum().item(), abs=1e-4)
                above = (found[at] > found[at, ids[at]]).nonzero()[:, 0].tolist()
                if row["valid"]:
                    assert row[f"{side}_rank"] == 1 + len(above)
                    assert all(own.get(token) in other for token in above)
                at = part.stop
            assert at == len(ids)


def test_a_rank_is_null_unless_token_and_candidates_coincide(study: Study, mixed: pd.DataFrame):
    used = mixed[mixed["part"] == TEXT]
    assert used["valid"].any()
    assert (used["one_token"] & ~used["valid"]).any()
    assert (~used["one_token"]).any()
    assert (used["valid"] == used["base_rank"].notna()).all()
    assert (used["valid"] == used["aligned_rank"].notna()).all()
    assert ((used["base_tokens"] == 1) & (used["aligned_tokens"] == 1))[used["one_token"]].all()


def test_spans_are_the_text_and_what_is_left_out_is_said(study: Study, mixed: pd.DataFrame):
    answers = study.answers.set_index("id")["token_ids"]
    for example, rows in mixed.groupby("example_id", sort=False):
        assert np.concatenate(rows["aligned_ids"].to_list()).tolist() == answers[example].tolist()
        inside = rows[rows["part"] == TEXT]
        assert (inside["start"].iloc[1:].to_numpy() == inside["end"].iloc[:-1].to_numpy()).all()
        assert rows["span"].tolist() == list(range(len(rows)))
    text = mixed[mixed["part"] == TEXT].groupby("example_id")["text"].sum()
    assert text["e0"] == TEXTS[0]
    assert text["e6"] == TEXTS[6]
    assert text["e9"] == "keep "
    left = mixed[mixed["part"] == LEFT_OUT].set_index("example_id")
    assert set(left.index) == {"e9", "e10"}  # cut within a character; a sign that pieces cannot write
    assert left["base_logprob"].isna().all()
    assert "e10" not in text.index


def test_an_end_of_turn_is_a_span_by_role(study: Study, mixed: pd.DataFrame):
    """The base has no <|end|>: its own <eos> stands for it, and no rank is exact there."""
    report = ByteReport.model_validate_json((study.folder / "pieces-one/pairs/p.bytes.json").read_text())
    assert [(one.aligned.text, one.base.text, one.by) for one in report.ends] == [
        ("<eos>", "<eos>", "text"), ("<|end|>", "<eos>", "role")
    ]  # fmt: skip
    ends = mixed[mixed["part"] == END_OF_TURN]
    assert set(ends["example_id"]) == {"e0", "e1", "e2", "e3", "e4", "e5", "e11"}
    assert (ends["start"] == ends["end"]).all()
    assert [ids.tolist() for ids in ends["base_ids"]] == [[2]] * len(ends)
    assert not ends["valid"].any()


def test_batches_and_chunks_change_nothing(study: Study, mixed: pd.DataFrame):
    other = study.spans("pieces", "two", RUNTIME.model_copy(update={"score_tokens": 1, "position_chunk": 3}))
    numbers = ["base_logprob", "aligned_logprob"]
    np.testing.assert_allclose(other[numbers], mixed[numbers], atol=1e-4)
    exact = [column for column in mixed if column not in (*numbers, "base_ids", "aligned_ids")]
    pd.testing.assert_frame_equal(other[exact], mixed[exact])


def test_equal_runs_give_equal_bytes(study: Study, mixed: pd.DataFrame):
    study.spans("pieces", "again")
    files = [study.folder / f"pieces-{name}/spans/d/p/zero_shot.parquet" for name in ("one", "again")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_one_tokenizer_is_the_token_table(study: Study):
    """A pair that matches: every span is one token, with the numbers that the score and compare stages give."""
    found, folder = study.spans("base", "same"), study.folder / "same"
    sides = {side: study.manifests[side] for side in ("base", "aligned")}
    pair = folder / "pairs/p.json"
    pair_stage(Nothing(), RUNTIME, **sides, out=pair)
    scores = {}
    for side, context in (("base", ZERO_SHOT), ("aligned", CHAT)):
        scores[f"{side}_score"] = folder / f"scores/d/p/{side}.safetensors"
        asked = {"pair": pair, "model": sides[side], "data": study.data, "responses": study.responses}
        score.run(ScoreStage(context=context), RUNTIME, **asked, out=scores[f"{side}_score"])
    out = folder / "shifts/d/p/zero_shot.parquet"
    compare.run(CompareConfig(top_k=3), RUNTIME, pair=pair, **sides, responses=study.responses, **scores, out=out)
    used = found[found["part"] != LEFT_OUT]
    cut_off = found[found["part"] == LEFT_OUT]
    assert cut_off["example_id"].tolist() == ["e9"]
    tokens = read_table(out).groupby("example_id", sort=False, group_keys=False)
    tokens = tokens.apply(lambda rows: rows.head((used["example_id"] == rows.name).sum()), include_groups=False)
    assert len(tokens) == len(used)
    assert [ids.tolist() for ids in used["base_ids"]] == [ids.tolist() for ids in used["aligned_ids"]]
    assert np.concatenate(used["base_ids"].to_list()).tolist() == tokens["token_id"].tolist()
    assert used["valid"].all()
    for side in ("base", "aligned"):
        np.testing.assert_allclose(np.exp(used[f"{side}_logprob"]), tokens[f"{side}_prob"], rtol=1e-4)
        assert used[f"{side}_rank"].tolist() == tokens[f"{side}_rank"].tolist()
    rows = statistics(found, CFG).set_index(["measure", "of", "first"])
    assert rows.loc[("valid", "spans", -1), ["value", "low", "high"]].tolist() == [1, 1, 1]
    assert rows.loc[("unshifted", "valid spans", -1), "value"] == (tokens["base_rank"] == 1).mean()


def test_statistics_by_hand():
    """Two responses; the second one ends, and holds a token that is left out."""
    row = {"part": TEXT, "text": "", "base_tokens": 1, "aligned_tokens": 1, "one_token": True, "valid": True}
    rows = [
        row | {"example_id": "a", "start": 0, "end": 4, "base_logprob": -4.0, "aligned_logprob": -1.0, "base_rank": 1},
        row | {"example_id": "a", "start": 4, "end": 10, "base_logprob": -9.0, "aligned_logprob": -2.0, "base_rank": None,
               "base_tokens": 3, "aligned_tokens": 2, "one_token": False, "valid": False},
        row | {"example_id": "a", "start": 10, "end": 12, "base_logprob": -2.0, "aligned_logprob": -1.0, "base_rank": 5},
        row | {"example_id": "b", "start": 0, "end": 4, "base_logprob": -1.0, "aligned_logprob": -2.0, "base_rank": 2},
        row | {"example_id": "b", "part": END_OF_TURN, "start": 4, "end": 4, "base_logprob": -6.0, "aligned_logprob": -1.0,
               "base_rank": None, "one_token": False, "valid": False},
        row | {"example_id": "b", "part": LEFT_OUT, "start": 4, "end": 4, "base_tokens": 0, "aligned_tokens": 4,
               "base_rank": None, "one_token": False, "valid": False},
    ]  # fmt: skip
    table = pd.DataFrame(rows).astype({"base_rank": "Int32"})
    found = statistics(table, CFG).set_index(["measure", "of", "first"])
    value = lambda measure, of="bytes", first=-1: found.loc[(measure, of, first), "value"]  # noqa: E731
    assert value("base_bits") == pytest.approx(16 / math.log(2) / 16)
    assert value("difference") == pytest.approx((16 - 6) / 16)
    assert value("difference", first=0) == pytest.approx((14 - 5) / 14)
    assert value("difference", first=8) == pytest.approx(1 / 2)
    assert found.loc[("difference", "bytes", 8), ["last", "count", "examples"]].tolist() == [15, 2, 1]
    assert value("difference", "ends of turn") == 5
    assert value("compared", "aligned tokens") == pytest.approx(6 / 10)
    assert value("valid", "spans") == value("one_token", "spans") == pytest.approx(3 / 5)
    assert value("valid") == pytest.approx(10 / 16)
    assert value("valid", "base tokens") == pytest.approx(3 / 7)
    assert value("valid", "aligned tokens") == pytest.approx(3 / 6)
    for category in ("unshifted", "marginal", "shifted"):
        assert value(category, "valid spans") == pytest.approx(1 / 3)
        assert value(category, "spans") == pytest.approx(1 / 5)
    both = found.loc[("difference", "bytes", -1)]
    assert both["low"] == pytest.approx(-1 / 4)  # b alone
    assert both["high"] == pytest.approx(11 / 12)  # a alone


def test_the_figure_says_when_n_is_too_small(study: Study, mixed: pd.DataFrame, monkeypatch: pytest.MonkeyPatch):
    results = study.folder / "figure/results"
    write_table(statistics(mixed, CFG), results / "stats/d/p/zero_shot/spans.csv")
    look = {"dpi": 50, "unshifted": "c", "marginal": "y", "shifted": "m", "max_position": 8, "example_tokens": 20}
    pairs = [PairTitle(name="p", title="P")]
    drawn: list[str] = []
    save = byte_spans.save
    monkeypatch.setattr(byte_spans, "save", lambda figure, *rest: (drawn.append(words(figure)), save(figure, *rest)))
    for enough in (3, 50):
        cfg = FigureStage(**look, min_examples=enough, dataset="d", context="zero_shot", confidence=0.95, pairs=pairs)
        byte_spans.run(cfg, RUNTIME, results=results, out=study.folder / f"figure/{enough}.pdf")
    assert len(mixed["example_id"].unique()) == 13
    assert "n = 13 responses" in drawn[0]
    assert "Share with exact ranks" in drawn[0]
    assert "Too few" not in drawn[0]
    assert "Too few examples" in drawn[1]
    assert "Share with" not in drawn[1]
    assert len(pd.read_csv(study.folder / "figure/3.csv")) > 0
    assert len(pd.read_csv(study.folder / "figure/50.csv")) == 0


def words(figure: Any) -> str:
    """All text in a figure."""
    found = [figure.get_suptitle(), *(text.get_text() for axis in figure.axes for text in axis.texts)]
    return "\n".join(found)


def changed(**parts: object) -> Callable[[dict[str, Any]], None]:
    return lambda tokenizer: tokenizer.update(parts)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}}, r"its decoder \(WordPiece\) is neither"),
        ({"decoder": None}, r"its decoder \(none\) is neither"),
        ({"normalizer": {"type": "Lowercase"}}, "it changes text that it reads"),
        ({"normalizer": {"type": "NFD"}}, "it changes text that it reads"),
    ],
)
def test_a_tokenizer_that_does_not_keep_to_bytes_is_refused(
    tiny_models: Path, tmp_path: Path, parts: dict[str, object], says: str
):
    left = relative(tiny_models / "base", tmp_path / "left", edit=changed(**parts))
    right = relative(tiny_models / "aligned", tmp_path / "right")
    with pytest.raises(
        UserError, match=f"tokenizer of left: the tokens of left cannot be told in bytes: {says}"
    ) as caught:
        byte_pair(Nothing(), RUNTIME, base=left, aligned=right, out=tmp_path / "out.json")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.json").exists()


def test_tokens_that_are_decoded_to_another_text_are_refused(spelled: dict[str, Spelling]):
    """The check is made on what was written, too: here a decoder that cuts two spaces off."""
    vocabulary = spelled["pieces"].vocabulary
    *steps, _ = vocabulary.description["decoder"]["decoders"]
    steps.append({"type": "Strip", "content": " ", "start": 2, "stop": 0})
    odd = Spelling(
        replace(vocabulary, description={**vocabulary.description, "decoder": {"type": "Sequence", "decoders": steps}})
    )
    with pytest.raises(UserError, match="the bytes of its tokens are not those of the text"):
        odd.written(odd.read("   a") or [])


def test_a_base_that_can_read_nothing_is_refused(study: Study, tmp_path: Path):
    answers = study.answers.iloc[[10]]
    write_table(answers, tmp_path / "responses.parquet")
    with pytest.raises(UserError, match=r"tokenizer of pieces: .* gives back no response as it was written"):
        replace(study, folder=tmp_path, responses=tmp_path / "responses.parquet").spans("pieces", "none")


def test_ranks_of_such_a_pair_are_refused_and_the_way_out_is_named(models: Models, tmp_path: Path):
    for base in ("pieces", "other"):
        with pytest.raises(UserError, match=r"different vocabularies.*figures/byte_spans") as caught:
            pair_stage(Nothing(), RUNTIME, base=models[base], aligned=models["aligned"], out=tmp_path / "p.json")
        assert "\n" not in str(caught.value)


def test_pieces_without_a_space_at_the_start_are_the_same_tokens(spelled: dict[str, Spelling]):
    """Gemma's and Llama's way: in the middle of a text they split alike."""
    vocabulary = spelled["pieces"].vocabulary
    normalizer, decoder = (dict(vocabulary.description[part]) for part in ("normalizer", "decoder"))
    assert normalizer["normalizers"][0]["type"] == "Prepend"
    assert decoder["decoders"][-1]["type"] == "Strip"
    normalizer["normalizers"], decoder["decoders"] = normalizer["normalizers"][1:], decoder["decoders"][:-1]
    gemma = replace(vocabulary, description={**vocabulary.description, "normalizer": normalizer, "decoder": decoder})
    for text in TEXTS:
        ids = spelled["pieces"].read(text)
        assert ids == Spelling(gemma).read(text) is not None
        assert Spelling(gemma).written(ids) == spelled["pieces"].written(ids)


def test_the_report_counts_what_both_have(spelled: dict[str, Spelling]):
    same = match(spelled["base"], spelled["aligned"])
    assert same.shared == len(spelled["base"].texts) + len(spelled["base"].special)
    assert [(one.base.id, one.aligned.id, one.by) for one in same.ends] == [(1, 1, "text"), (END, END, "text")]
    other = match(spelled["pieces"], spelled["aligned"])
    assert 256 + 2 <= other.shared < same.shared
    assert (other.base.spelling, other.aligned.spelling) == ("pieces", "byte level")
