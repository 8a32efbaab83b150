"""Prefix handoff: identities that hold exactly, and measures counted by hand."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from support.reference import alone
from support.tiny import context_ids

from superficial.config.schema import (
    FigureStage,
    HandoffStage,
    LocalSource,
    ModelConfig,
    Nothing,
    PairTitle,
    PromptConfig,
    Runtime,
    StatsConfig,
)
from superficial.inference.finish_reason import EOS, LENGTH
from superficial.inference.generate.answer import Answer
from superficial.inference.generate.decode import Decoder
from superficial.models.load import LoadedModel, load_model
from superficial.models.stage import run as fetch
from superficial.probes.handoff.stage import agreeing_tokens, build_handoffs, common_subsequence, rouge_l
from superficial.probes.handoff.stage import run as handoff
from superficial.probes.handoff.statistics import handoff_means
from superficial.prompts.builder import PromptBuilder
from superficial.shift.pair.stage import run as compare_vocabularies
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.ratios import ratios
from superficial.shift.statistics.token_table import TokenTable

RUNTIME = Runtime(device="cpu", generate_batch=4, score_tokens=100, position_chunk=16)
ZERO_SHOT = PromptConfig(kind="completion", template="Q: {instruction}\nA: ")
CHAT = PromptConfig(kind="chat")
PREFIXES = [0, 1, 2, 4, 8, 16]
STATS = StatsConfig(resamples=300, confidence=0.95, seed=0, top_tokens=3, min_occurrences=2)
TEXTS = ["How do I keep plants alive?", "What can I do", "list", "Here is a thing that you can keep", "plants?", "a"]
WINDOW = 12


class Study:
    """An aligned tiny model's responses, a token table with random ranks, and one run of the stage over them."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder = folder
        self.manifests = {side: folder / side / "manifest.json" for side in ("base", "aligned")}
        for side, out in self.manifests.items():
            source = LocalSource(kind="local", path=str(models / side))
            fetch(ModelConfig(name=side, title="t", licence="none", source=source), RUNTIME, out=out)
        self.pair = folder / "pair.json"
        compare_vocabularies(Nothing(), RUNTIME, **self.manifests, out=self.pair)
        self.aligned = load_model(self.manifests["aligned"], "cpu")
        ids = [f"e{index}" for index in range(len(TEXTS))]
        kinds = ["regular", "safety", "regular", "regular", "regular", "regular"]
        self.data = pd.DataFrame({"id": ids, "instruction": TEXTS, "category": kinds, "turns": [[]] * len(ids)})
        limits = [20, 20, 3, 30, 20, 6]  # some responses are shorter than the longest prefix
        prompts = [context_ids(self.aligned.tokenizer, CHAT, text) for text in TEXTS]
        tokens = [alone(self.aligned, one, limit) for one, limit in zip(prompts, limits, strict=True)]
        reasons = [EOS if one[-1] in self.aligned.end_ids else LENGTH for one in tokens]
        self.responses = pd.DataFrame(
            {"id": ids, "token_ids": tokens, "finish_reason": reasons, "earlier_answers": [[]] * len(ids)}
        )
        rng = np.random.default_rng(0)
        rows = [
            {"example_id": name, "position": position, "base_rank": int(rng.integers(1, 5))}
            for name, one in zip(ids, tokens, strict=True)
            for position in range(len(one))
        ]
        self.shifts = pd.DataFrame(rows)
        for name in ("data", "responses", "shifts"):
            getattr(self, name).to_parquet(folder / f"{name}.parquet")

    def made(self, side: str, context: PromptConfig, examples: int | None = None, window: int = WINDOW) -> pd.DataFrame:
        cfg = HandoffStage(prefixes=PREFIXES, max_new_tokens=window, examples=examples, context=context)
        out = self.folder / f"handoff/tiny/{side}/{context.kind}.parquet"
        files = {name: self.folder / f"{name}.parquet" for name in ("data", "responses", "shifts")}
        handoff(cfg, RUNTIME, pair=self.pair, model=self.manifests[side], out=out, **files)
        return pd.read_parquet(out)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Study:
    return Study(tmp_path_factory.mktemp("handoff"), tiny_models)


@pytest.fixture(scope="module")
def loaded(study: Study) -> LoadedModel:
    return load_model(study.manifests["base"], "cpu")


@pytest.mark.parametrize("window", [5, 40])
def test_a_model_follows_itself_to_the_end(study: Study, window: int):
    """The aligned model under its own context, handed its own tokens: everything agrees, at every k."""
    table = study.made("aligned", CHAT, window=window)
    lengths = study.responses.set_index("id")["token_ids"].map(len)
    rest = np.minimum(lengths[table["example_id"]].to_numpy() - table["k"], window)
    assert table["agreeing"].tolist() == rest.tolist()
    assert (table["agreeing_share"] == 1).all()
    assert (table["rouge_l"] == 1).all()


def test_another_model_does_not(study: Study):
    table = study.made("base", ZERO_SHOT)
    assert table["agreeing_share"].min() < 1
    assert table["rouge_l"].min() < 1


def test_every_response_stands_at_every_k_that_it_is_longer_than(study: Study):
    table = study.made("base", ZERO_SHOT)
    lengths = study.responses[study.data["category"] == "regular"].set_index("id")["token_ids"].map(len)
    expected = [(name, k) for name, length in lengths.items() for k in PREFIXES if k < length]
    assert list(zip(table["example_id"], table["k"], strict=True)) == expected
    assert len(expected) < len(PREFIXES) * len(lengths)  # the case does occur here
    assert study.made("base", ZERO_SHOT, examples=2)["example_id"].unique().tolist() == ["e0", "e2"]


def test_without_a_prefix_it_is_zero_shot_decoding(study: Study, loaded: LoadedModel):
    table = study.made("base", ZERO_SHOT).set_index(["example_id", "k"])["continuation"]
    ends = set(study.aligned.end_ids)
    for name, text in zip(study.data["id"], study.data["instruction"], strict=True):
        if (name, 0) not in table.index:
            continue
        plain = alone(loaded, context_ids(loaded.tokenizer, ZERO_SHOT, text), WINDOW)
        cut = next((at + 1 for at, token in enumerate(plain) if token in ends), len(plain))
        assert table[name, 0].tolist() == plain[:cut]


def test_the_prompt_is_the_context_and_the_first_tokens(study: Study, loaded: LoadedModel):
    cfg = HandoffStage(prefixes=[0, 2], max_new_tokens=4, examples=1, context=ZERO_SHOT)
    prompts = PromptBuilder.of(loaded, cfg.context, ())
    none, two = build_handoffs(loaded, cfg, prompts, study.data, study.responses)
    response = study.responses["token_ids"][0]
    assert none.request.prompt == context_ids(loaded.tokenizer, ZERO_SHOT, TEXTS[0])
    assert two.request.prompt == none.request.prompt + response[:2]
    assert (none.rest, two.rest) == (response[:4], response[2:6])


def test_an_end_of_turn_of_the_aligned_model_ends_the_continuation(study: Study, monkeypatch: pytest.MonkeyPatch):
    """Decoding is replaced: the base writes the aligned model's end token where the response has it, then goes on."""
    end = max(study.aligned.end_ids)
    tokens = [40, 41, 42, end]
    responses = pd.DataFrame({"id": ["e0"], "token_ids": [tokens], "finish_reason": [EOS], "earlier_answers": [[]]})
    responses.to_parquet(study.folder / "responses.parquet")
    shifts = pd.DataFrame({"example_id": "e0", "position": range(4), "base_rank": [1, 7, 1, 1]})
    shifts.to_parquet(study.folder / "shifts.parquet")

    def written(self: Decoder, prompts: Sequence[list[int]], among: object) -> Iterator[tuple[int, Answer]]:
        assert end not in load_model(study.manifests["base"], "cpu").end_ids
        yield from ((row, Answer([*tokens[1:], 50, 51], "", LENGTH, 0)) for row in range(len(prompts)))

    try:
        with monkeypatch.context() as patch:
            patch.setattr(Decoder, "answers", written)
            table = study.made("base", ZERO_SHOT, examples=1, window=7).set_index("k")
    finally:
        study.responses.to_parquet(study.folder / "responses.parquet")
        study.shifts.to_parquet(study.folder / "shifts.parquet")
    assert table["continuation"].map(list).tolist() == [tokens[1:]] * 3
    assert table["agreeing"].tolist() == [0, 3, 0]  # k = 0, 1, 2
    assert table["rouge_l"][1] == 1
    assert table["unshifted_rest"].tolist() == [3 / 4, 2 / 3, 1]


def test_unshifted_rest_is_the_unshifted_share_at_k_0(study: Study):
    table = study.made("base", ZERO_SHOT)
    regular = study.shifts[study.shifts["example_id"].isin(table["example_id"])]
    shares = ratios(TokenTable.of(regular.assign(token_id=0)), Bootstrap.over(regular["example_id"].nunique(), STATS))
    share = shares.set_index(["level", "category"])["share"]["per_example", "unshifted"]
    means = handoff_means(table, STATS).set_index(["measure", "k"])
    assert means["mean"]["unshifted_rest", 0] == pytest.approx(share)
    for (name, k), found in table.set_index(["example_id", "k"])["unshifted_rest"].items():
        ranks = study.shifts[(study.shifts["example_id"] == name) & (study.shifts["position"] >= k)]["base_rank"]
        assert found == pytest.approx((ranks == 1).mean())


def test_a_second_run_decodes_nothing(study: Study, monkeypatch: pytest.MonkeyPatch):
    """Decoded prompts are counted: none after a finished run, and only new ones for more examples."""
    rows: list[int] = []
    original = Decoder.answers

    def counted(
        self: Decoder, prompts: Sequence[list[int]], among: Sequence[list[int]]
    ) -> Iterator[tuple[int, Answer]]:
        rows.append(len(prompts))
        return original(self, prompts, among)

    monkeypatch.setattr(Decoder, "answers", counted)
    first = study.made("base", ZERO_SHOT, examples=2, window=9)
    assert sum(rows) == len(first)
    rows.clear()
    pd.testing.assert_frame_equal(study.made("base", ZERO_SHOT, examples=2, window=9), first)
    assert sum(rows) == 0
    more = study.made("base", ZERO_SHOT, examples=4, window=9)
    assert sum(rows) == len(more) - len(first)


@pytest.mark.parametrize(
    ("left", "right", "run"),
    [([1, 2, 3], [1, 2, 3], 3), ([1, 2, 9, 4], [1, 2, 3, 4], 2), ([9], [1], 0), ([1, 2], [1, 2, 3], 2), ([], [1], 0)],
)
def test_agreement_by_hand(left: list[int], right: list[int], run: int):
    assert agreeing_tokens(left, right) == agreeing_tokens(right, left) == run


@pytest.mark.parametrize(
    ("left", "right", "common", "score"),
    [
        ("a b c d", "a b c d", 4, 1.0),
        ("a b c d", "b d", 2, 2 * 2 / 6),
        ("police killed the gunman", "police kill the gunman", 3, 3 / 4),  # the example of the ROUGE paper
        ("the gunman kill police", "police kill the gunman", 2, 2 / 4),
        ("a b", "c", 0, 0.0),
        ("", "c", 0, 0.0),
        ("", " \n", 0, 1.0),
    ],
)
def test_rouge_l_by_hand(left: str, right: str, common: int, score: float):
    assert common_subsequence(left.split(), right.split()) == common
    assert rouge_l(left, right) == rouge_l(right, left) == pytest.approx(score)


def test_means_count_the_examples_of_each_k():
    rows = [("a", 0, 4, 0.5), ("b", 0, 2, 0.0), ("a", 1, 3, 1.0)]
    table = pd.DataFrame(rows, columns=["example_id", "k", "agreeing", "rouge_l"]).assign(window=7)
    table["agreeing_share"] = table["unshifted_rest"] = table["rouge_l"]
    found = handoff_means(table, STATS).set_index(["measure", "k"])
    assert found.loc[("agreeing", 0), ["mean", "low", "high", "examples", "window"]].tolist() == [3, 2, 4, 2, 7]
    assert found.loc[("rouge_l", 1), ["mean", "low", "high", "examples"]].tolist() == [1, 1, 1, 1]
    assert handoff_means(table.iloc[:0], STATS).empty


@pytest.mark.parametrize("prefixes", [[], [2, 1], [1, 1], [-1]])
def test_prefixes_rise(prefixes: list[int]):
    with pytest.raises(ValidationError):
        HandoffStage(prefixes=prefixes, max_new_tokens=4, examples=1, context=ZERO_SHOT)


@pytest.mark.parametrize("kept", [0, 2, 6])
def test_the_figure_says_when_there_are_too_few(tmp_path: Path, study: Study, kept: int):
    from superficial.artifacts.table import write_table
    from superficial.views.figures.prefix_handoff import run as draw

    look = {"unshifted": "c", "marginal": "y", "shifted": "r", "max_position": 50, "example": None}
    cfg = FigureStage(
        **look, dpi=60, min_examples=3, example_tokens=20, dataset="tiny", context="zero_shot", confidence=0.95,
        pairs=[PairTitle(name="p", title="one"), PairTitle(name="q", title="two")],
    )  # fmt: skip
    table = study.made("base", ZERO_SHOT)
    table = table[table["example_id"].isin(table["example_id"].unique()[:kept])]
    for pair in ("p", "q"):
        write_table(handoff_means(table, STATS), tmp_path / f"stats/tiny/{pair}/zero_shot/handoff.csv")
    draw(cfg, RUNTIME, results=tmp_path, out=tmp_path / "prefix_handoff.pdf")
    assert ("Too few" in words(tmp_path)) == (kept < 3)
    drawn = pd.read_csv(tmp_path / "prefix_handoff.csv")
    assert (drawn["examples"] >= 3).all()
    assert drawn.empty == (kept < 3)


def words(folder: Path) -> str:
    """Texts of the figure; letters are outlines in the SVG, where each text stands in a comment before it."""
    import re

    return " ".join(re.findall(r"<!-- (.*?) -->", (folder / "prefix_handoff.svg").read_text(), flags=re.S))
