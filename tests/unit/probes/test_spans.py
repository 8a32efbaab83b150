"""Log-probabilities and ranks of spans of bytes, against loops over single tokens and the token table of a pair."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from support.cards import no_room
from support.tiny import context_ids
from support.two_tokenizers import CHAT, RUNTIME, TEXTS, ZERO_SHOT, Study, fetched

from superficial.artifacts.errors import UserError
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import CompareConfig, FigureStage, IntervalsConfig, Nothing, PairTitle, ScoreStage
from superficial.models.load import LoadedModel
from superficial.probes.spans.byte_pair import ByteReport
from superficial.probes.spans.spelling import Spelling
from superficial.probes.spans.statistics import statistics
from superficial.probes.spans.table import END as END_OF_TURN
from superficial.probes.spans.table import LEFT_OUT, TEXT
from superficial.shift import compare, score
from superficial.shift.pair.stage import run as pair_stage
from superficial.shift.pair.vocabulary import Vocabulary
from superficial.views.figures import byte_spans

CFG = IntervalsConfig(resamples=300, confidence=0.95, seed=0)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Study:
    folder = tmp_path_factory.mktemp("study")
    return Study.of(folder, fetched(folder / "models", tiny_models))


@pytest.fixture(scope="module")
def mixed(study: Study) -> pd.DataFrame:
    """Spans of `pieces` and the aligned model: two tokenizers."""
    return study.spans("pieces", "one")


def logits(loaded: LoadedModel, context: list[int], response: list[int]) -> torch.Tensor:
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


def test_positions_go_in_halves_where_a_card_is_full(
    study: Study, mixed: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
):
    """What was too large once is not tried again by that side."""
    name = "superficial.probes.spans.token_scores._scored"
    refused = no_room(monkeypatch, name, lambda *given: given[-1].stop - given[-1].start, most=5)
    found = study.spans("pieces", "full", RUNTIME.model_copy(update={"position_chunk": 16}))
    numbers = ["base_logprob", "aligned_logprob"]
    np.testing.assert_allclose(found[numbers], mixed[numbers], atol=1e-4)
    exact = [column for column in mixed if column not in (*numbers, "base_ids", "aligned_ids")]
    pd.testing.assert_frame_equal(found[exact], mixed[exact])
    assert refused == [16, 8] * 2


@pytest.mark.parametrize("few", [False, True])
def test_equal_runs_give_equal_bytes(study: Study, mixed: pd.DataFrame, few: bool, monkeypatch: pytest.MonkeyPatch):
    """However few states and rows are in memory at a time."""
    if few:
        monkeypatch.setattr("superficial.probes.spans.token_scores.TOKENS", 5)
        monkeypatch.setattr("superficial.probes.spans.table.ROWS", 3)
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
    cfg = CompareConfig(top_k=3, least_first_choices=0)  # nobody wrote these responses
    compare.run(cfg, RUNTIME, pair=pair, **sides, responses=study.responses, **scores, out=out)
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
    monkeypatch.setattr(
        byte_spans, "save", lambda figure, *rest: (drawn.append(words(figure, rest[-1])), save(figure, *rest))
    )
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


def words(figure: Any, told: list[str]) -> str:
    """All text in a figure and in its caption."""
    found = [*told, *(text.get_text() for axis in figure.axes for text in axis.texts)]
    return "\n".join(found)


def test_a_base_that_can_read_nothing_is_refused(study: Study, tmp_path: Path):
    answers = study.answers.iloc[[10]]
    write_table(answers, tmp_path / "responses.parquet")
    with pytest.raises(UserError, match=r"tokenizer of pieces: .* gives back no response as it was written"):
        replace(study, folder=tmp_path, responses=tmp_path / "responses.parquet").spans("pieces", "none")
