"""Swapped tokens: the identities that hold exactly, and rules followed by hand."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from support.reference import alone, gemma, llama, recurrent
from support.reference import loaded as make_loaded
from support.relatives import add_token, relative, rename
from support.tiny import SPECIAL, context_ids

from superficial.artifacts.store import Store
from superficial.config.schema import (
    CausalStage,
    IntervalsConfig,
    LocalSource,
    ModelConfig,
    Nothing,
    PromptConfig,
    RuntimeConfig,
)
from superficial.inference.finish_reason import EOS, LENGTH
from superficial.models.load import LoadedModel, load_model
from superficial.models.stage import run as fetch
from superficial.probes.causal.lockstep import Lockstep, SwapTask
from superficial.probes.causal.rule import NONE, SHIFTED, SwapRule, at_random, swap_rules
from superficial.probes.causal.stage import drawn_instructions
from superficial.probes.causal.stage import run as causal
from superficial.probes.causal.statistics import causal_means
from superficial.probes.causal.stored_swaps import StoredSwaps
from superficial.shift.category import category
from superficial.shift.pair.pairing import Pairing
from superficial.shift.pair.stage import run as compare_vocabularies

RUNTIME = RuntimeConfig(device="cpu", generate_batch=12, score_tokens=100, position_chunk=16)
ZERO_SHOT = PromptConfig(kind="completion", template="Here is a list of the things. Q: {instruction}\nA: ")
CHAT = PromptConfig(kind="chat")
INTERVALS = IntervalsConfig(resamples=200, confidence=0.95, seed=0)
TEXTS = ["How do I keep plants alive?", "What can I do", "list", "Here is a thing that you can keep", "plants?", "a"]
VARIANTS = ["shifted", "shifted_or_marginal", "random", "first", "all", "reverse"]
WINDOW = 14


class Study:
    """Two tiny models, the aligned one's responses, and runs of the stage over them."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder = folder
        self.manifests = {side: folder / side / "manifest.json" for side in ("base", "aligned")}
        for side, out in self.manifests.items():
            source = LocalSource(kind="local", path=str(models / side))
            fetch(ModelConfig(name=side, title="t", licence="none", source=source), RUNTIME, out=out)
        self.pair = folder / "pair.json"
        compare_vocabularies(Nothing(), RUNTIME, **self.manifests, out=self.pair)
        self.models = {side: load_model(out, "cpu") for side, out in self.manifests.items()}
        ids = [f"e{index}" for index in range(len(TEXTS))]
        kinds = ["regular", "safety", "regular", "regular", "safety", "regular"]
        self.data = pd.DataFrame({"id": ids, "instruction": TEXTS, "category": kinds, "turns": [[]] * len(ids)})
        limits = [20, 20, 3, 30, 20, 6]  # two are cut off within the window
        aligned = self.models["aligned"]
        prompts = [context_ids(aligned.tokenizer, CHAT, text) for text in TEXTS]
        tokens = [alone(aligned, one, limit) for one, limit in zip(prompts, limits, strict=True)]
        reasons = [EOS if one[-1] in aligned.end_ids else LENGTH for one in tokens]
        self.responses = pd.DataFrame(
            {"id": ids, "prompt_ids": prompts, "token_ids": tokens, "finish_reason": reasons}
        ).assign(earlier_answers=[[]] * len(ids))
        for name in ("data", "responses"):
            getattr(self, name).to_parquet(folder / f"{name}.parquet")

    def config(self, **given: Any) -> CausalStage:
        values = {"variants": VARIANTS, "first": [2, 5], "max_new_tokens": WINDOW, "examples": None, "seed": 0}
        return CausalStage(**{**values, "context": ZERO_SHOT, **given})

    def made(self, results: Path, batch: int = 12, **given: Any) -> pd.DataFrame:
        out = results / "causal/tiny/pair/zero_shot.parquet"
        files = {name: self.folder / f"{name}.parquet" for name in ("data", "responses")}
        runtime = RUNTIME.model_copy(update={"generate_batch": batch})
        causal(self.config(**given), runtime, pair=self.pair, **self.manifests, **files, out=out)
        return pd.read_parquet(out).set_index(["example_id", "variant"])

    def base_alone(self, example: str, limit: int) -> list[int]:
        """What the base answers by itself, up to an end token of either model."""
        text = TEXTS[int(example[1:])]
        tokens = alone(self.models["base"], context_ids(self.models["base"].tokenizer, ZERO_SHOT, text), limit)
        ends = {*self.models["base"].end_ids, *self.models["aligned"].end_ids}
        return tokens[: next((at + 1 for at, token in enumerate(tokens) if token in ends), limit)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Study:
    return Study(tmp_path_factory.mktemp("causal"), tiny_models)


@pytest.fixture(scope="module")
def table(study: Study) -> pd.DataFrame:
    return study.made(study.folder / "results")


def test_swapped_everywhere_it_is_the_aligned_response(study: Study, table: pd.DataFrame):
    for example, tokens in zip(study.responses["id"], study.responses["token_ids"], strict=True):
        row = table.loc[example, "all"]
        assert row["token_ids"].tolist() == tokens[:WINDOW]
        assert row["swapped"] == row["tokens"] == row["agreeing"]
        assert row["identical"] == row["agreeing_share"] == row["rouge_l"] == 1
        assert row["finish_reason"] == (EOS if tokens[:WINDOW][-1] in study.models["aligned"].end_ids else LENGTH)


def test_swapped_wherever_it_is_not_unshifted_it_is_the_aligned_response_too(table: pd.DataFrame):
    """Base rank 1 is the base's own choice, so this spends no swap that changes nothing."""
    least, every = (table.xs(variant, level="variant") for variant in ("shifted_or_marginal", "all"))
    assert least["token_ids"].map(list).tolist() == every["token_ids"].map(list).tolist()
    assert least["swapped_at"].map(list).tolist() == every["changed_at"].map(list).tolist()


def test_swapped_nowhere_it_is_the_response_of_the_base(study: Study, table: pd.DataFrame):
    for example, tokens in zip(study.responses["id"], study.responses["token_ids"], strict=True):
        row = table.loc[example, "none"]
        assert row["token_ids"].tolist() == study.base_alone(example, min(WINDOW, len(tokens)))
        assert row["swapped"] == row["changed"] == 0
        assert row["base_agreeing_share"] == row["base_rouge_l"] == 1
    assert table.xs("none", level="variant")["identical"].min() == 0


def test_with_one_model_on_both_sides_every_variant_is_its_response(study: Study, tmp_path: Path):
    """The aligned model as its own base under its own context: nothing is shifted, and no swap changes anything."""
    both = dict.fromkeys(("base", "aligned"), study.models["aligned"])
    answering = StoredSwaps(both, Pairing.read(study.pair), 12, tmp_path)
    for prompt, tokens in zip(study.responses["prompt_ids"], study.responses["token_ids"], strict=True):
        limit = min(6, len(tokens))
        found = swap_rules(["shifted", "shifted_or_marginal", "first", "all", "reverse"], [3], limit)
        tasks = [SwapTask((tuple(prompt), tuple(prompt)), rule, limit) for rule in found.values()]
        for name, one in zip(found, answering.answer(tasks), strict=True):
            assert one.token_ids == tokens[:6]
            assert one.changed == []
            assert len(one.swapped) == {"first_3": min(3, len(tokens)), "all": len(one.token_ids)}.get(name, 0)


def logits_after(loaded: LoadedModel, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(torch.tensor([ids])).logits[0, -1]


@pytest.mark.parametrize(
    ("variant", "driver", "taken"),
    [
        ("shifted", "base", ["shifted"]),
        ("shifted_or_marginal", "base", ["marginal", "shifted"]),
        ("reverse", "aligned", ["shifted"]),
    ],
)
def test_token_by_token_on_full_prompts(study: Study, table: pd.DataFrame, variant: str, driver: str, taken: list[str]):
    """Each next token again, from both models' logits after everything so far, with nothing cached."""
    swaps = 0
    for example, aligned_prompt in zip(study.responses["id"], study.responses["prompt_ids"], strict=True):
        row = table.loc[example, variant]
        base_prompt = context_ids(study.models["base"].tokenizer, ZERO_SHOT, TEXTS[int(example[1:])])
        tokens, swapped = row["token_ids"].tolist(), set(row["swapped_at"].tolist())
        for at, token in enumerate(tokens):
            base = logits_after(study.models["base"], base_prompt + tokens[:at])
            aligned = logits_after(study.models["aligned"], aligned_prompt + tokens[:at])
            rank = 1 + int((base > base[aligned.argmax()]).sum())
            swap = category(np.array([rank]))[0] in taken
            assert (at in swapped) == swap
            assert token == int((aligned if (driver == "base") == swap else base).argmax())
            swaps += swap
    assert swaps > 5  # the case does occur
    assert row["changed_at"].tolist() == row["swapped_at"].tolist()  # a rank above 1 is another token


def test_the_first_positions(study: Study, table: pd.DataFrame):
    """The aligned model's first k tokens, then what the base goes on with by itself."""
    for example, tokens in zip(study.responses["id"], study.responses["token_ids"], strict=True):
        row = table.loc[example, "first_2"]
        assert row["token_ids"].tolist()[:2] == tokens[:2]
        assert row["swapped_at"].tolist() == [0, 1][: len(row["token_ids"])]
        if row["finish_reason"] == LENGTH or len(row["token_ids"]) > 2:
            prompt = context_ids(study.models["base"].tokenizer, ZERO_SHOT, TEXTS[int(example[1:])]) + tokens[:2]
            rest = row["token_ids"].tolist()[2:]
            assert rest == alone(study.models["base"], prompt, max(len(rest), 1))[: len(rest)]


def test_a_random_set_is_as_large_and_hangs_on_its_example_alone(study: Study, table: pd.DataFrame):
    for example in study.data["id"]:
        shifted, drawn_at = table.loc[example, "shifted"], table.loc[example, "random"]["swapped_at"].tolist()
        rule = at_random(example, shifted["swapped"], shifted["tokens"], 0)
        assert len(set(rule.positions)) == shifted["swapped"]
        assert all(0 <= at < shifted["tokens"] for at in rule.positions)
        assert drawn_at == [at for at in rule.positions if at < table.loc[example, "random"]["tokens"]]
    draws = {at_random("e0", 5, 40, seed).positions for seed in range(10)}
    assert len(draws) == 10
    assert at_random("e0", 40, 40, 0).positions == tuple(range(40))


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_the_batch_changes_nothing(study: Study, table: pd.DataFrame, tmp_path: Path, batch: int):
    pd.testing.assert_frame_equal(study.made(tmp_path, batch=batch), table)


def test_a_killed_run_goes_on_and_ends_like_an_undisturbed_one(
    study: Study, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Stopped after every few responses; each of them is decoded once in all, and a finished run decodes nothing."""
    original, stored = Store.put, []

    def put(self: Store, values: dict[str, Any]) -> None:
        if len(stored) % 7 == 6:
            stored.append("stopped")
            raise KeyboardInterrupt
        original(self, values)
        stored.extend(values)

    monkeypatch.setattr(Store, "put", put)
    for _ in range(100):
        try:
            found = study.made(tmp_path)
            break
        except KeyboardInterrupt:
            continue
    pd.testing.assert_frame_equal(found, table)
    keys = [key for key in stored if key != "stopped"]
    assert stored.count("stopped") > 3
    assert len(keys) == len(set(keys))
    stored.clear()
    study.made(tmp_path)
    assert stored == []
    study.made(tmp_path, first=[2, 4, 5])
    assert len(stored) <= len(TEXTS)  # growth costs the growth


def test_a_larger_draw_holds_every_smaller_one_in_the_shares_of_the_data():
    kinds = ["regular"] * 30 + ["safety"] * 10
    data = pd.DataFrame({"id": [f"x{index}" for index in range(40)], "category": kinds})
    whole = drawn_instructions(data, None, 0)["id"].tolist()
    assert sorted(whole) == sorted(data["id"])
    assert whole != drawn_instructions(data, None, 1)["id"].tolist()
    for size in (4, 8, 20):
        found = drawn_instructions(data, size, 0)
        assert found["id"].tolist() == whole[:size]
        assert (found["category"] == "safety").sum() == size / 4


@pytest.mark.parametrize("make", [gemma, llama, recurrent])
def test_every_kind_of_cache_splits_its_rows(study: Study, make: Any):
    """Sliding windows and recurrent states; rules that part in the middle give what each gives alone."""
    both: dict[Any, LoadedModel] = {"base": make_loaded(make, [1]), "aligned": make_loaded(make, [1, 2])}
    generator = torch.Generator().manual_seed(3)
    shared = torch.randint(5, 300, (20,), generator=generator).tolist()
    contexts = [
        tuple(tuple(shared + torch.randint(5, 300, (n,), generator=generator).tolist()) for n in sizes)
        for sizes in ((3, 7), (12, 2))
    ]
    found = [
        NONE,
        SHIFTED,
        SwapRule("base", positions=(0, 3)),
        SwapRule("base", positions=(3,)),
        SwapRule("aligned", positions=(4,)),
    ]
    tasks = [SwapTask(context, rule, 12) for context in contexts for rule in found]
    pairing = Pairing.read(study.pair)
    together = dict(Lockstep(both, pairing, 100).answers(tasks))
    for index, task in enumerate(tasks):
        (only,) = Lockstep(both, pairing, 100).answers([task])
        assert together[index] == only[1]
    plain = [alone(both["base"], list(context[0]), 12) for context in contexts]
    assert [together[0].token_ids, together[len(found)].token_ids] == plain


@pytest.mark.parametrize("other", ["wide", "exchanged"])
def test_vocabularies_that_differ_give_what_the_plain_pair_gives(
    study: Study, tiny_models: Path, tmp_path: Path, other: str
):
    """An aligned model with more rows, which are never chosen; a base that has two special tokens under other ids."""
    size = len(study.models["base"].tokenizer)
    manifests = dict(study.manifests)
    if other == "wide":
        wide = relative(tiny_models / "aligned", tmp_path / "wide", rows=48, edit=add_token("<|pad|>", size))
        manifests["aligned"] = wide
    else:
        end, user = SPECIAL.index("<|end|>"), SPECIAL.index("<|user|>")
        order = list(range(size))
        order[end], order[user] = user, end
        edit = rename(**{"|end|": "|user|", "|user|": "|end|"})
        manifests["base"] = relative(tiny_models / "base", tmp_path / "exchanged", edit=edit, order=order)
    compare_vocabularies(Nothing(), RUNTIME, **manifests, out=tmp_path / "pair.json")
    pairing = Pairing.read(tmp_path / "pair.json")
    assert not pairing.exact
    models: dict[Any, LoadedModel] = {side: load_model(out, "cpu") for side, out in manifests.items()}
    generator = torch.Generator().manual_seed(2)
    prompts = [tuple(torch.randint(5, size, (n,), generator=generator).tolist()) for n in (9, 4, 7, 30, 11, 5)]
    found = swap_rules(["shifted", "first", "reverse", "all"], [3], 30)
    tasks = [
        SwapTask(both, rule, 30) for both in zip(prompts[::2], prompts[1::2], strict=True) for rule in found.values()
    ]
    plain = dict(Lockstep(study.models, Pairing.read(study.pair), 100).answers(tasks))
    assert dict(Lockstep(models, pairing, 100).answers(tasks)) == plain
    if other == "wide":  # by itself it would choose some of its rows
        assert max(max(alone(models["aligned"], list(prompt), 30)) for prompt in prompts[1::2]) >= size


def test_an_end_token_of_either_model_ends_the_response(study: Study, tmp_path: Path):
    """Every token is an end token of the base: the first one ends whatever model says it."""
    base = study.models["base"]
    all_end = LoadedModel(
        base.read, base.tokenizer, base.manifest, base.device, base.dtype, list(range(400)), base.max_length
    )
    answering = StoredSwaps(
        {"base": all_end, "aligned": study.models["aligned"]}, Pairing.read(study.pair), 4, tmp_path
    )
    prompt = tuple(study.responses["prompt_ids"][0])
    for one in answering.answer(
        [SwapTask((prompt, prompt), rule, 9) for rule in swap_rules(VARIANTS[:1], [], 9).values()]
    ):
        assert (len(one.token_ids), one.finish_reason) == (1, EOS)


def test_a_model_that_cannot_matter_is_not_asked(study: Study, tmp_path: Path):
    """Work is counted: without swaps the aligned model reads nothing, after the last one it reads no more."""
    prompts = (tuple(range(5, 15)), tuple(range(5, 25)))
    fed = []
    for rule in (NONE, SwapRule("base", positions=(0,)), SwapRule("base", positions=(0, 1, 2, 3))):
        lockstep = Lockstep(study.models, Pairing.read(study.pair), 4)
        ((_, found),) = lockstep.answers([SwapTask(prompts, rule, 4)])
        assert len(found.token_ids) == 4
        fed.append(lockstep.work.fed_tokens)
    assert fed == [10 + 3, 10 + 3 + 20, 10 + 3 + 20 + 3]


def test_means(table: pd.DataFrame):
    rows = causal_means(table.reset_index(), INTERVALS).set_index(["variant", "measure"])
    for measure in ("swapped", "rouge_l"):
        row = rows.loc["shifted", measure]
        assert row["low"] <= row["mean"] == pytest.approx(table.xs("shifted", level="variant")[measure].mean())
        assert row["mean"] <= row["high"]
    assert rows.loc[("all", "identical"), ["mean", "low", "high", "examples"]].tolist() == [1, 1, 1, 6]


def test_to_a_judge_each_row_is_a_response_to_its_instruction(study: Study, table: pd.DataFrame):
    for (example, variant), row in table.iterrows():
        assert row["id"] == f"{example}#{variant}"
        assert (row["instruction"], row["category"]) == (
            TEXTS[int(example[1:])],
            study.data.set_index("id").at[example, "category"],
        )
    assert table["id"].is_unique


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_resumed_run_keeps_its_batches_in_half_precision(study: Study, tmp_path: Path, dtype: torch.dtype):
    """A store that lacks one response of a batch of two prompts."""

    def cast(one: LoadedModel) -> LoadedModel:
        read = lambda: copy.deepcopy(one.model).to(dtype)  # noqa: E731
        return LoadedModel(read, one.tokenizer, one.manifest, one.device, dtype, one.end_ids, one.max_length)

    models = {side: cast(one) for side, one in study.models.items()}
    prompts = [(tuple(range(5, 15 + n)), tuple(range(5, 25 + n))) for n in range(4)]
    tasks = [SwapTask(both, SwapRule("base", positions=(0,)), 5) for both in prompts]
    answering = StoredSwaps(models, Pairing.read(study.pair), 2, tmp_path / "a")
    whole = answering.answer(tasks)
    (stored,) = (tmp_path / "a").glob(".causal/*.jsonl")
    kept = tmp_path / "b/.causal" / stored.name
    kept.parent.mkdir(parents=True)
    kept.write_text("\n".join([line for line in stored.read_text().splitlines() if line][:-1]))
    again = StoredSwaps(models, Pairing.read(study.pair), 2, tmp_path / "b")
    assert again.answer(tasks) == whole
    passes = again.work.forward_passes, answering.work.forward_passes
    assert 0 < passes[0] < passes[1]
    fed = again.work.fed_tokens / answering.work.fed_tokens
    assert (fed < 0.3) if dtype == torch.float32 else (0.4 < fed < 0.6)
    work = again.work.fed_tokens
    assert again.answer(tasks) == whole
    assert again.work.fed_tokens == work
