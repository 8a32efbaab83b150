"""The definitions side by side: each against a direct computation in float64, and against the ordinary token table."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.latex import typeset, with_latex

from superficial.artifacts.table import write_parts
from superficial.config.schema import (
    DefinitionsTable,
    LocalSource,
    ModelConfig,
    PairTitle,
    PromptConfig,
    RescoreStage,
    RuntimeConfig,
    StatsConfig,
)
from superficial.models.head import LMHead
from superficial.models.load import load_model
from superficial.models.stage import run as fetch
from superficial.shift.compare import compare
from superficial.shift.definitions.names import VARIANTS
from superficial.shift.definitions.rescore import changed_sequences
from superficial.shift.definitions.variants import Side, _parts, end_of_turn, variants
from superficial.shift.distributions import HeadAndStates
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.ratios import ratios
from superficial.shift.statistics.token_table import TokenTable
from superficial.views.tables.definitions import MEASURES, VariantTables, definitions
from superficial.views.tables.definitions_layout import latex, markdown

WIDTH, VOCABULARY, LENGTHS = 24, 300, [1, 12, 9, 30, 18]
TOKENS = sum(LENGTHS)
STATS = StatsConfig(resamples=200, confidence=0.95, seed=3, top_tokens=5, min_occurrences=1)
CFG = DefinitionsTable(
    **STATS.intervals,
    dataset="d",
    context="zero_shot",
    context_title="Zero-shot",
    pairs=[PairTitle(name="p", title="a_1 → b & c")],
)


def normal(seed: int, *size: int) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def sides() -> dict[str, HeadAndStates]:
    """Models that resemble each other, so that every category and a disagreeing argmax occur."""
    weight, states = normal(1, VOCABULARY, WIDTH), normal(2, TOKENS, WIDTH)
    head = LMHead(weight, None, 1.0, None)
    found = {name: HeadAndStates(head, states + 0.2 * normal(seed, TOKENS, WIDTH)) for name, seed in zip(
        ("headline", "two_bos", "aligned_context"), (3, 4, 5), strict=True)}  # fmt: skip
    return found | {
        "aligned": HeadAndStates(LMHead(weight + 0.2 * normal(6, VOCABULARY, WIDTH), None, 1.0, None), states)
    }


@pytest.fixture(scope="module")
def answers(sides: dict[str, HeadAndStates]) -> pd.DataFrame:
    """The aligned side's likeliest tokens, but for every seventh."""
    tokens = log_probs(sides["aligned"]).argmax(axis=1)
    tokens[::7] = (tokens[::7] + 11) % VOCABULARY
    cuts = np.split(tokens, np.cumsum(LENGTHS)[:-1])
    reasons = ["eos", "length", "eos", "eos", "length"]  # the first response is its end of turn alone
    return pd.DataFrame({"id": list("abcde"), "token_ids": cuts, "finish_reason": reasons, "earlier_answers": [[]] * 5})


@pytest.fixture(scope="module")
def found(sides: dict[str, HeadAndStates], answers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    tables = found_by(sides, answers)
    assert tuple(tables) == VARIANTS
    return {name: table.assign(**places()) for name, table in tables.items()}


def found_by(sides: dict[str, HeadAndStates], answers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    def reading(side: HeadAndStates) -> Side:
        return lambda start, stop: HeadAndStates(side.head, side.states[start:stop])

    bases = {name: reading(side) for name, side in sides.items() if name != "aligned"}
    return variants(bases, reading(sides["aligned"]), tokens_of(answers), end_of_turn(answers), 16)


def places() -> dict[str, list[object]]:
    example = [name for name, length in zip("abcde", LENGTHS, strict=True) for _ in range(length)]
    return {"example_id": example, "position": [at for length in LENGTHS for at in range(length)]}


def tokens_of(answers: pd.DataFrame) -> torch.Tensor:
    return torch.tensor(np.concatenate(answers["token_ids"].to_numpy()))


def log_probs(side: HeadAndStates) -> np.ndarray:
    return (side.states.double() @ side.head.weight.double().T).log_softmax(dim=1).numpy()


def ranks(logs: np.ndarray, tokens: np.ndarray) -> list[int]:
    return [1 + int((row > row[token]).sum()) for row, token in zip(logs, tokens, strict=True)]


def kl(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    return (np.exp(q) * (q - p)).sum(axis=1)


def expect(table: pd.DataFrame, rank: list[int], prob: list[float], divergence: np.ndarray) -> None:
    assert table["base_rank"].tolist() == rank
    np.testing.assert_allclose(table["base_prob"], prob, atol=1e-6, rtol=1e-4)
    np.testing.assert_allclose(table["kl_aligned_base"], divergence, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["headline", "two_bos", "aligned_context"])
def test_exact_under_each_context(name: str, found, sides, answers):
    p, q, tokens = log_probs(sides[name]), log_probs(sides["aligned"]), tokens_of(answers).numpy()
    expect(found[name], ranks(p, tokens), np.exp(p[np.arange(TOKENS), tokens]), kl(q, p))
    assert found[name]["counted"].all()


@pytest.mark.parametrize("positions", [1, 16, 40])
def test_states_that_are_read_in_parts_give_the_same_tables(
    found, sides, answers, positions: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """To the bit, and so does the file in groups of a few rows; never more than some whole chunks are read."""
    monkeypatch.setattr("superficial.shift.definitions.variants.TOKENS", positions)
    monkeypatch.setattr("superficial.shift.definitions.variants.GROUP", 7)
    seen: list[int] = []
    tables = found_by({name: Watched.of(side, seen) for name, side in sides.items()}, answers)
    assert max(seen) == max(16, 16 * (positions // 16))
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table.assign(**places()), found[name], check_exact=True)
    where = {name: np.array(values) for name, values in places().items()}
    write_parts(_parts(tables, where), tmp_path / "parts.parquet", 16)
    kept = VariantTables(tmp_path / "parts.parquet")
    pd.testing.assert_frame_equal(definitions(kept, CFG), definitions(found, CFG))


class Watched:
    """States of which it is seen how many are read at a time."""

    def __init__(self, states: torch.Tensor, seen: list[int]) -> None:
        self._states, self._seen = states, seen

    @classmethod
    def of(cls, side: HeadAndStates, seen: list[int]) -> HeadAndStates:
        return HeadAndStates(side.head, cls(side.states, seen))  # type: ignore[arg-type]

    def __getitem__(self, rows: slice) -> torch.Tensor:
        self._seen.append(rows.stop - rows.start)
        return self._states[rows]


def test_category_of_the_aligned_argmax(found, sides, answers):
    p, q = log_probs(sides["headline"]), log_probs(sides["aligned"])
    likeliest = q.argmax(axis=1)
    assert 0 < (likeliest != tokens_of(answers).numpy()).sum() < TOKENS
    expect(found["aligned_argmax"], ranks(p, likeliest), np.exp(p[np.arange(TOKENS), likeliest]), kl(q, p))
    assert found["aligned_argmax"]["base_rank"].tolist() != found["headline"]["base_rank"].tolist()


def test_candidates_of_the_base(found, sides, answers):
    """As the published code does: a list of 30 candidates, in which the token is looked up."""
    p, q = log_probs(sides["headline"]), log_probs(sides["aligned"])
    rank, prob = [], []
    for row, token in zip(np.exp(p), tokens_of(answers).tolist(), strict=True):
        candidates = sorted(range(VOCABULARY), key=lambda other: -row[other])[:30]
        inside = token in candidates
        rank.append(candidates.index(token) + 1 if inside else 31)
        prob.append(row[token] / row[candidates].sum() if inside else 0.0)
    assert 31 in rank
    expect(found["top30_base"], rank, prob, kl(q, p))


def test_kl_of_candidates(found, sides):
    p, q = np.exp(log_probs(sides["headline"])), np.exp(log_probs(sides["aligned"]))
    values = []
    for base, aligned in zip(p, q, strict=True):
        some, others = (dict(sorted(enumerate(one), key=lambda entry: -entry[1])[:30]) for one in (base, aligned))
        some, others = ({token: one / sum(side.values()) for token, one in side.items()} for side in (some, others))
        values.append(sum(one * np.log(one / some[token]) for token, one in others.items() if token in some))
    np.testing.assert_allclose(found["top30_kl"]["kl_aligned_base"], values, atol=2e-5, rtol=1e-4)
    pd.testing.assert_frame_equal(
        found["top30_kl"].drop(columns="kl_aligned_base"), found["headline"].drop(columns="kl_aligned_base")
    )


def test_kl_of_candidates_can_be_negative():
    """Two sides that hold one candidate in common, which the base finds likelier than the aligned model does."""
    from superficial.shift.definitions.variants import kl_of_candidates

    ids, others = np.array([[1, 2], [1, 2], [1, 2]]), np.array([[2, 3], [3, 4], [1, 2]])
    value = kl_of_candidates(ids, np.array([[0.8, 0.2]] * 3), others, np.array([[0.9, 0.1], [0.9, 0.1], [0.8, 0.2]]))
    np.testing.assert_allclose(value, [0.2 * np.log(0.2 / 0.9), 0, 0])


def test_end_of_turn_not_counted_drops_exactly_the_end_tokens(found):
    table = found["no_end"]
    dropped = table[~table["counted"]]
    assert list(zip(dropped["example_id"], dropped["position"], strict=True)) == [("a", 0), ("c", 8), ("d", 29)]
    pd.testing.assert_frame_equal(table.drop(columns="counted"), found["headline"].drop(columns="counted"))


def test_rows(found, sides, answers):
    """The headline is what the ordinary statistics say; every row is a plain mean over the tokens that it counts."""
    table = definitions(found, CFG).set_index("variant")
    ordinary = compare(sides["headline"], sides["aligned"], tokens_of(answers), 10, TOKENS).assign(**places())
    pooled = ratios(TokenTable.of(ordinary), Bootstrap.over(len(LENGTHS), STATS)).query("level == 'pooled'")
    for row in pooled.itertuples():
        shown = table.loc["headline", [row.category, f"{row.category}_low", f"{row.category}_high"]]
        assert shown.tolist() == pytest.approx([row.share, row.low, row.high])
    for name, frame in found.items():
        kept = frame[frame["counted"]]
        rank = kept["base_rank"]
        plain = [(rank == 1).mean(), rank.isin([2, 3]).mean(), (rank > 3).mean()]
        plain += [kept["kl_aligned_base"].mean(), kept["base_prob"].mean()]
        assert table.loc[name, list(MEASURES)].tolist() == pytest.approx(plain, rel=1e-5)
        assert table.loc[name, "kl_negative"] == pytest.approx((kept["kl_aligned_base"] < 0).mean())
        for measure in MEASURES:
            change = table.loc[name, f"{measure}_difference"]
            assert change == pytest.approx(table.loc[name, measure] - table.loc["headline", measure], abs=1e-12)
            low, high = table.loc[name, [f"{measure}_difference_low", f"{measure}_difference_high"]]
            assert low <= high
            if name == "headline":
                assert (low, change, high) == (0, 0, 0)
    assert table["tokens"].to_dict() == dict.fromkeys(VARIANTS, TOKENS) | {"no_end": TOKENS - 3}
    assert table["examples"].to_dict() == dict.fromkeys(VARIANTS, 5) | {"no_end": 4}
    # Cut at 30, a rank falls into the same category.
    assert (table.loc["top30_base", [f"{name}_difference" for name in MEASURES[:3]]] == 0).all()


def test_interval_of_a_difference(found):
    """Against resampling by hand: whole examples are drawn, and both means are taken over the same draws."""
    table = definitions(found, CFG).set_index("variant")
    draws = []
    for weights in Bootstrap.over(len(LENGTHS), STATS).weights:
        weight = np.repeat(weights, LENGTHS)
        means = [np.average(found[name]["base_prob"], weights=weight) for name in ("two_bos", "headline")]
        draws.append(means[0] - means[1])
    shown = table.loc["two_bos", ["base_prob_difference_low", "base_prob_difference_high"]].tolist()
    assert shown == pytest.approx(np.quantile(draws, [0.025, 0.975]).tolist(), rel=1e-6)


def test_layouts_hold_the_rows(found):
    table = definitions(found, CFG)
    table.insert(0, "pair", "p")
    row = table.iloc[4]
    text, paper = markdown(table, CFG), latex(table, CFG)
    assert text.count("\n| ") == len(VARIANTS) + 2
    assert paper.count(r" \\") == len(VARIANTS) + 1
    assert "**a\\_1 → b & c**" in text
    assert r"a\_1 $\rightarrow$ b \& c" in paper
    shown = f"{100 * row['shifted']:.1f} ({100 * row['shifted_difference']:+.1f} ["
    assert shown.replace("-", "−") in text
    assert shown.replace("-", "$-$") in paper
    assert "−" not in paper
    assert f"negative at {100 * table.loc[3, 'kl_negative']:.1f} % of the tokens" in text


@with_latex
def test_the_table_compiles(found, tmp_path: Path):
    table = definitions(found, CFG)
    table.insert(0, "pair", "p")
    typeset(latex(table, CFG), tmp_path)


def test_contexts_differ_in_one_thing(tmp_path: Path, tiny_models: Path):
    out = tmp_path / "base" / "manifest.json"
    source = LocalSource(kind="local", path=str(tiny_models / "base"))
    runtime = RuntimeConfig(device="cpu", generate_batch=2, score_tokens=100, position_chunk=16)
    fetch(ModelConfig(name="base", title="t", licence="none", source=source), runtime, out=out)
    loaded = load_model(out, "cpu")
    data = pd.DataFrame({"id": ["x"], "instruction": ["keep plants"], "turns": [[]]})
    responses = pd.DataFrame({"id": ["x"], "prompt_ids": [np.array([0, 3, 9, 4])], "token_ids": [np.array([7, 8])]})
    responses["earlier_answers"] = [[]]
    method = PromptConfig(kind="completion", template="Q: {instruction}")
    (twice,) = changed_sequences(loaded, RescoreStage(change="two_bos", context=method), data, responses)
    assert twice.context == [0, *loaded.tokenizer("Q: keep plants").input_ids]
    assert twice.context[:2] == [0, 0]
    assert twice.context[2] != 0
    (asked,) = changed_sequences(loaded, RescoreStage(change="aligned_context", context=None), data, responses)
    assert (asked.context, asked.response) == ([0, 3, 9, 4], [7, 8])
    loaded.tokenizer.bos_token = None  # a tokenizer that writes none: there is nothing to double
    (plain,) = changed_sequences(loaded, RescoreStage(change="two_bos", context=method), data, responses)
    assert plain.context == twice.context[2:]
