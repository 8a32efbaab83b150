"""The token table of whole models: against their live logits, and of pairs whose vocabularies differ."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from support.relatives import add_token, relative, rename
from support.tiny import END, make_tokenizer

from superficial.artifacts.files import sidecar_of
from superficial.config.schema import CompareConfig, HandoffStage, Nothing, PromptConfig, Runtime
from superficial.inference.teacher_forcing import TeacherForcing, TokenSequence
from superficial.models.head import LMHead
from superficial.models.load import LoadedModel, load_model
from superficial.probes.handoff.stage import run as handoff_stage
from superficial.shift.compare import compare, token_positions
from superficial.shift.compare import run as compare_stage
from superficial.shift.distributions import HeadAndStates
from superficial.shift.pair.match import match_vocabularies
from superficial.shift.pair.pairing import Pairing
from superficial.shift.pair.stage import run as pair_stage
from superficial.shift.pair.vocabulary import Vocabulary

SIZE, TOP = len(make_tokenizer(chat=False)), 10
USER, EOS = 3, 1
LENGTHS = [1, 30, 17, 2, 7]
CONTEXTS = {"base": [[0, 40, 41 + n, 42] for n in range(5)], "aligned": [[0, 50 + n, 51] for n in range(5)]}
RUNTIME = Runtime(device="cpu", generate_batch=2, score_tokens=100, position_chunk=16)


def answers(middle: int = 9, last: int = END) -> pd.DataFrame:
    """Responses of ordinary tokens with `middle` inside one, and `last` at the end of every one but the second."""
    generator = np.random.default_rng(5)
    ids = [generator.integers(5, SIZE, length) for length in LENGTHS]
    ids[1][4] = middle
    for row in (0, 2, 3, 4):
        ids[row][-1] = last
    return pd.DataFrame({"id": list("abcde"), "token_ids": ids})


class Pair:
    """Two models on disk, and what their report says."""

    def __init__(self, base: Path, aligned: Path) -> None:
        self.manifests = {"base": base, "aligned": aligned}
        self.pairing = Pairing(match_vocabularies(*map(Vocabulary.read, (base, aligned))))
        self.loaded = {name: load_model(manifest, "cpu") for name, manifest in self.manifests.items()}

    def sequences(self, side: str, responses: pd.DataFrame) -> list[TokenSequence]:
        read = self.pairing.read_by(self.loaded[side].manifest["name"], responses)["token_ids"]
        return [TokenSequence(seen, [int(t) for t in ids]) for seen, ids in zip(CONTEXTS[side], read, strict=True)]

    def states(self, side: str, responses: pd.DataFrame, budget: int = 100) -> torch.Tensor:
        return TeacherForcing(self.loaded[side], budget).states(self.sequences(side, responses))

    def table(self, responses: pd.DataFrame, *, chunk: int = 16, budget: int = 100) -> pd.DataFrame:
        heads = {name: LMHead.of(loaded.model) for name, loaded in self.loaded.items()}
        base = HeadAndStates(self.pairing.base_head(heads["base"]), self.states("base", responses, budget))
        aligned = HeadAndStates(self.pairing.aligned_head(heads["aligned"]), self.states("aligned", responses, budget))
        return self.pairing.named(compare(base, aligned, self.pairing.places(responses), TOP, chunk))

    def live(self, side: str, responses: pd.DataFrame) -> np.ndarray:
        """log-probabilities (N, V), float64, by the model itself: one left-padded forward pass, its own logits."""
        return live(self.loaded[side], self.sequences(side, responses))


def live(loaded: LoadedModel, sequences: list[TokenSequence]) -> np.ndarray:
    width = max(len(one.fed) for one in sequences)
    ids = torch.tensor([[7] * (width - len(one.fed)) + one.fed for one in sequences])
    mask = torch.tensor([[0] * (width - len(one.fed)) + [1] * len(one.fed) for one in sequences])
    places = (mask.cumsum(dim=1) - 1).clamp_min(0)
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids, attention_mask=mask, position_ids=places).logits.double()
    rows = [logits[row, -len(one.response) :] for row, one in enumerate(sequences)]
    return torch.cat(rows).log_softmax(dim=1).numpy()


@pytest.fixture(scope="module")
def plain(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("plain")
    return Pair(*(relative(tiny_models / name, folder / name) for name in ("base", "aligned")))


def same(left: pd.DataFrame, right: pd.DataFrame, *, tolerance: float, but: Sequence[str] = ()) -> None:
    """Floats within `tolerance`, everything else identical."""
    for column in left.columns.drop(list(but)):
        one, other = (np.stack(table[column].to_numpy()) for table in (left, right))
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one, other, atol=tolerance, rtol=0, err_msg=column)
        else:
            assert (one == other).all(), column


def expect(table: pd.DataFrame, p: np.ndarray, q: np.ndarray, places: Sequence[int]) -> None:
    """The table of log-probabilities p (base) and q (aligned), float64 (N, S), at tokens that stand at `places`."""
    at = np.arange(len(p)), np.asarray(places)
    m = np.logaddexp(p, q) - np.log(2)
    kl = lambda one, other: (np.exp(one) * (one - other)).sum(axis=1)  # noqa: E731
    exact = {
        "base_prob": np.exp(p[at]), "aligned_prob": np.exp(q[at]), "js": (kl(p, m) + kl(q, m)) / 2,
        "kl_aligned_base": kl(q, p), "kl_base_aligned": kl(p, q),
        "base_entropy": -(np.exp(p) * p).sum(axis=1), "aligned_entropy": -(np.exp(q) * q).sum(axis=1),
    }  # fmt: skip
    for column, values in exact.items():
        np.testing.assert_allclose(table[column], values, atol=1e-5, rtol=0, err_msg=column)
    for name, logs in (("base", p), ("aligned", q)):
        assert table[f"{name}_rank"].tolist() == (1 + (logs > logs[at][:, None]).sum(axis=1)).tolist()


def test_score_files_say_what_the_live_models_say(plain: Pair):
    """One right-padded pass and the head on its own, against the models' own logits, padded on the left."""
    asked = answers()
    table = plain.table(asked)
    expect(table, plain.live("base", asked), plain.live("aligned", asked), table["token_id"])
    assert table["token_id"].tolist() == np.concatenate(asked["token_ids"]).tolist()
    assert (table[["base_excluded", "aligned_excluded"]] == 0).all(axis=None)


@pytest.mark.parametrize(("chunk", "budget"), [(1, 1), (7, 60), (1000, 10_000)])
def test_batches_and_chunks_change_nothing(plain: Pair, chunk: int, budget: int):
    same(plain.table(answers()), plain.table(answers(), chunk=chunk, budget=budget), tolerance=1e-5)


def test_bounds(plain: Pair):
    """Divergences are not negative, JS is symmetric and at most ln 2, and probabilities sum to 1."""
    asked = answers()
    base, aligned = (
        HeadAndStates(LMHead.of(plain.loaded[name].model), plain.states(name, asked)) for name in plain.loaded
    )
    tokens = plain.pairing.places(asked)
    there, back = compare(base, aligned, tokens, SIZE, 16), compare(aligned, base, tokens, SIZE, 16)
    for name in ("kl_aligned_base", "kl_base_aligned", "js"):
        assert (there[name] >= 0).all()
    assert there["js"].max() <= np.log(2)
    np.testing.assert_allclose(there["js"], back["js"], atol=1e-6)
    np.testing.assert_allclose(there["kl_aligned_base"], back["kl_base_aligned"], atol=1e-6)
    for name in ("base", "aligned"):
        np.testing.assert_allclose([probs.sum(dtype=float) for probs in there[f"{name}_top_probs"]], 1, atol=1e-6)


def test_a_model_against_itself(plain: Pair):
    side = HeadAndStates(LMHead.of(plain.loaded["base"].model), plain.states("base", answers()))
    table = compare(side, side, side.head.logits(side.states).argmax(dim=1), TOP, 16)
    assert (table[["kl_aligned_base", "kl_base_aligned"]] == 0).all(axis=None)
    assert table["js"].max() <= 1e-6
    assert (table["base_rank"] == 1).all()


@pytest.mark.parametrize("padded", ["base", "aligned"])
def test_a_padded_head_gives_the_table_of_the_shared_tokens(
    plain: Pair, tiny_models: Path, tmp_path: Path, padded: str
):
    """One more token and 47 padding rows on one side; the other side is the plain model."""
    wide = relative(tiny_models / padded, tmp_path / "wide", rows=48, edit=add_token("<|pad|>", SIZE))
    pair = Pair(**(plain.manifests | {padded: wide}))
    assert pair.pairing.report.verdict == "restricted"
    table = pair.table(answers())
    same(plain.table(answers()), table, tolerance=1e-6, but=[f"{padded}_excluded"])
    outside = np.exp(pair.live(padded, answers()))[:, SIZE:].sum(axis=1)
    assert outside.max() > 0.01
    np.testing.assert_allclose(table[f"{padded}_excluded"], outside, atol=1e-6)


def exchanged(models: Path, folder: Path) -> Path:
    """The base with end of turn and user mark exchanged."""
    order = list(range(SIZE))
    order[END], order[USER] = USER, END
    edit = rename(**{"|end|": "|user|", "|user|": "|end|"})
    return relative(models / "base", folder / "exchanged", edit=edit, order=order)


def test_special_tokens_under_other_ids_give_the_table_of_the_relabelled_model(
    plain: Pair, tiny_models: Path, tmp_path: Path
):
    """The response holds a moved token inside, which the base must read under its own id."""
    pair = Pair(exchanged(tiny_models, tmp_path), plain.manifests["aligned"])
    asked = answers(middle=USER)
    assert pair.sequences("base", asked)[1].response[4] == END
    same(plain.table(asked), pair.table(asked), tolerance=1e-6)


def test_a_relabelled_base_goes_on_as_before(plain: Pair, tiny_models: Path, tmp_path: Path):
    """The hand-off: special tokens of the response, its end of turn too, are in the base's ids."""
    rows = {"id": list("abcde"), "instruction": ["plants"] * 5, "category": ["regular"] * 5, "turns": [[]] * 5}
    pd.DataFrame(rows).to_parquet(tmp_path / "data.parquet")
    asked = answers(middle=USER).assign(finish_reason=["eos", "length", "eos", "eos", "eos"], earlier_answers=[[]] * 5)
    asked.to_parquet(tmp_path / "responses.parquet")
    plain.table(asked).assign(**token_positions(asked)).to_parquet(tmp_path / "shifts.parquet")
    files = {name: tmp_path / f"{name}.parquet" for name in ("data", "responses", "shifts")}
    context = PromptConfig(kind="completion", template="{instruction}")
    cfg = HandoffStage(prefixes=[0, 1, 6, 16], max_new_tokens=8, examples=None, context=context)
    found = []
    for name, base in {"old": plain.manifests["base"], "new": exchanged(tiny_models, tmp_path)}.items():
        report, out = tmp_path / f"{name}.json", tmp_path / name / "a/b/handoff.parquet"
        pair_stage(Nothing(), RUNTIME, base=base, aligned=plain.manifests["aligned"], out=report)
        handoff_stage(cfg, RUNTIME, pair=report, model=base, **files, out=out)
        found.append(pd.read_parquet(out))
    same(*found, tolerance=0, but=["continuation", "rouge_l"])  # both in the base's own ids, which differ
    swap = {END: USER, USER: END}
    continuations = [[[swap.get(t, t) for t in ids] for ids in found[0]["continuation"]], found[1]["continuation"]]
    assert continuations[0] == [list(ids) for ids in continuations[1]]


def test_an_end_of_turn_by_role(plain: Pair, tiny_models: Path, tmp_path: Path):
    """The base has no <|end|>: its <eos> stands against the aligned model's <|end|>, all else is as it was."""
    pair = Pair(
        relative(tiny_models / "base", tmp_path / "b", edit=rename(**{"|end|": "|old|"})), plain.manifests["aligned"]
    )
    asked = answers()
    ids = {"aligned": [token for token in range(SIZE) if token != EOS]}
    ids["base"] = [EOS if token == END else token for token in ids["aligned"]]
    logs, table = {}, pair.table(asked)
    for side, rows in ids.items():
        whole = plain.live(side, asked)
        inside = np.logaddexp.reduce(whole[:, rows], axis=1)
        logs[side] = whole[:, rows] - inside[:, None]
        np.testing.assert_allclose(table[f"{side}_excluded"], 1 - np.exp(inside), atol=1e-6)
    tokens = np.concatenate(asked["token_ids"])
    expect(table, logs["base"], logs["aligned"], np.searchsorted(ids["aligned"], tokens))
    # The base's candidates go by the aligned model's ids: <eos> shows as <|end|>.
    best = logs["base"].argmax(axis=1)
    assert [top[0] for top in table["base_top_ids"]] == [ids["aligned"][place] for place in best]
    assert table["token_id"].tolist() == tokens.tolist()


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("rows", [list(range(50)), [7, 3, 60, 0, 1]])
def test_a_head_cut_to_some_rows(rows: list[int], softcap: float | None):
    """Softmax over a cut is the renormalised softmax over all, with bias, scale and soft-capping."""
    generator = torch.Generator().manual_seed(1)
    normal = lambda *size: torch.randn(*size, generator=generator)  # noqa: E731
    head, states = LMHead(normal(70, 8), normal(70), 0.5, softcap), normal(20, 8)
    part = head.cut(torch.tensor(rows))
    whole = head.logits(states)
    torch.testing.assert_close(part.logits(states), whole[:, rows])
    assert part.outside is not None
    others = [row for row in range(70) if row not in rows]
    torch.testing.assert_close(part.outside.logits(states), whole[:, others])
    tokens = torch.arange(20) % len(rows)
    torch.testing.assert_close(part.logit(states, tokens), whole[torch.arange(20), torch.tensor(rows)[tokens]])
    table = compare(HeadAndStates(part, states), HeadAndStates(part, states), tokens, 3, 8)
    probs = whole.double().softmax(dim=1).numpy()
    np.testing.assert_allclose(table["base_excluded"], probs[:, others].sum(axis=1), atol=1e-6)
    assert head.cut(torch.arange(70)).outside is None


def test_the_stage_writes_the_excluded_mass(plain: Pair, tiny_models: Path, tmp_path: Path):
    wide = relative(tiny_models / "aligned", tmp_path / "wide", rows=10)
    pair, asked = Pair(plain.manifests["base"], wide), answers()
    files = {"base": pair.manifests["base"], "aligned": wide}
    pair_stage(Nothing(), RUNTIME, **files, out=tmp_path / "pair.json")
    asked.to_parquet(tmp_path / "responses.parquet")
    for side in files:
        lengths = torch.tensor(LENGTHS)
        save_file({"states": pair.states(side, asked), "lengths": lengths}, tmp_path / f"{side}.safetensors")
    scores = {f"{side}_score": tmp_path / f"{side}.safetensors" for side in files}
    # As deep as in results/, or the store of rows lies outside of this test's folder and outlives it.
    out, report = tmp_path / "results/shifts/d/p/table.parquet", tmp_path / "pair.json"
    responses = tmp_path / "responses.parquet"
    cfg = CompareConfig(top_k=TOP, least_first_choices=0)  # random tokens are nobody's first choice
    compare_stage(cfg, RUNTIME, pair=report, **files, **scores, responses=responses, out=out)
    table, expected = pd.read_parquet(out), pair.table(asked)
    same(expected, table[expected.columns], tolerance=0)
    assert table["example_id"].tolist() == list("".join(map(str.__mul__, "abcde", LENGTHS)))
    assert table["position"].tolist() == [at for length in LENGTHS for at in range(length)]
    meta = json.loads(sidecar_of(out).read_text())
    assert meta["aligned_excluded_max"] == float(table["aligned_excluded"].max()) > 0
    assert meta["base_excluded_max"] == meta["base_excluded_mean"] == 0
