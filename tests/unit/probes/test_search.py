"""Search for the examples of a prompt: against brute force, against the normal stages, and counted."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from support.cards import no_room
from support.reference import WINDOW, alone, gemma, llama, prompts, recurrent
from support.reference import loaded as made
from support.tiny import context_ids

from superficial.artifacts.errors import UserError
from superficial.config.schema import (
    CompareConfig,
    ExamplesConfig,
    IntervalsConfig,
    LocalSource,
    MethodConfig,
    ModelConfig,
    Nothing,
    PairTitle,
    PromptConfig,
    RuntimeConfig,
    ScoreStage,
    SearchFigure,
    SearchStage,
    SearchTable,
)
from superficial.inference.finish_reason import LENGTH
from superficial.inference.shared_prefix import SharedPrefix
from superficial.inference.teacher_forcing import TeacherForcing, TokenSequence
from superficial.models.head import LMHead
from superficial.models.load import load_model
from superficial.models.stage import run as fetch
from superficial.probes.search.greedy import greedy_search
from superficial.probes.search.halves import split
from superficial.probes.search.stage import run as prompt_search
from superficial.probes.search.statistics import gains
from superficial.probes.search.statistics import run as search_stats
from superficial.shift.compare import run as compare
from superficial.shift.distributions import HeadAndStates, Workspace, contrast, divergence
from superficial.shift.pair.stage import run as compare_vocabularies
from superficial.shift.score import run as score
from superficial.views.figures.prompt_search import run as draw
from superficial.views.notes.caption import plain
from superficial.views.notes.prompt_search import cost, sentences
from superficial.views.tables.prompt_search import run as write_search_table

RUNTIME = RuntimeConfig(device="cpu", generate_batch=4, score_tokens=600, position_chunk=16)
CHAT = PromptConfig(kind="chat")
TEXTS = ["How do I keep plants alive?", "What can I do", "list", "Here is a thing that you can keep", "plants?", "a"]
POOL = ["one", "two", "three", "four"]
DEFAULT = ["three", "one"]


class Study:
    """A pair of tiny models, the aligned one's responses and states, and a pool of four examples."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder = folder
        self.manifests = {side: folder / side / "manifest.json" for side in ("base", "aligned")}
        for side, out in self.manifests.items():
            source = LocalSource(kind="local", path=str(models / side))
            fetch(ModelConfig(name=side, title="t", licence="none", source=source), RUNTIME, out=out)
        self.pair = folder / "pair.json"
        compare_vocabularies(Nothing(), RUNTIME, **self.manifests, out=self.pair)
        aligned = load_model(self.manifests["aligned"], "cpu")
        ids, kinds = [f"e{index}" for index in range(len(TEXTS))], ["regular", "safety"] * 3
        asked = [context_ids(aligned.tokenizer, CHAT, text) for text in TEXTS]
        tokens = [alone(aligned, one, limit) for one, limit in zip(asked, [20, 12, 3, 9, 20, 6], strict=True)]
        about = {"id": ids, "token_ids": tokens, "finish_reason": LENGTH, "earlier_answers": [[]] * len(ids)}
        self.files = {name: folder / f"{name}.parquet" for name in ("data", "responses")}
        pd.DataFrame({"id": ids, "instruction": TEXTS, "category": kinds, "turns": [[]] * 6}).to_parquet(
            self.files["data"]
        )
        pd.DataFrame(about).to_parquet(self.files["responses"])
        self.system, self.pool = folder / "system.txt", folder / "pool.jsonl"
        self.system.write_text("Here is a list of the things that you can do to keep plants alive.")
        rows = [
            {"id": name, "instruction": f"{name} {name}?", "restyled": f"Here is {name}: " * (2 + at), "plain": name}
            for at, name in enumerate(POOL)
        ]
        self.pool.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.states = self.scored("aligned", CHAT)

    def prompt(self, *shown: str) -> PromptConfig:
        given = ExamplesConfig(file=str(self.pool), ids=list(shown), style="restyled") if shown else None
        return PromptConfig(
            kind="completion", template="Q: {instruction}\nA: ", closing="\n", system=str(self.system), examples=given
        )

    def scored(self, side: str, context: PromptConfig) -> Path:
        """What the score stage makes of all responses under `context`."""
        out = self.folder / f"normal/scores/a/b/{side}.safetensors"
        files = [Path(path) for path in (context.system, context.examples and context.examples.file) if path]
        cfg = ScoreStage(context=context)
        score(cfg, RUNTIME, pair=self.pair, model=self.manifests[side], prompt_files=files, out=out, **self.files)
        return out

    def kl(self, *shown: str) -> pd.Series:
        """Sums of KL(aligned||base) by response, as the normal stages give them for a method with these examples."""
        base, out = self.scored("base", self.prompt(*shown)), self.folder / "normal/shifts/a/b.parquet"
        compare(
            CompareConfig(top_k=3), RUNTIME, pair=self.pair, **self.manifests, responses=self.files["responses"],
            base_score=base, aligned_score=self.states, out=out,
        )  # fmt: skip
        return pd.read_parquet(out).groupby("example_id")["kl_aligned_base"].sum()

    def cfg(self, **bounds: Any) -> SearchStage:
        given = {"k": 2, "examples": None, "max_positions": None, "seed": 0} | bounds
        return SearchStage(method=MethodConfig(name="m", title="M", prompt=self.prompt(*DEFAULT)), **given)

    def made(self, results: str = "r", runtime: RuntimeConfig = RUNTIME, **bounds: Any) -> dict[str, Any]:
        """What the stage writes, with its sidecar's facts as `facts`."""
        out = [self.folder / results / "search/a/b" / name for name in ("m.json", "m_found.yaml")]
        prompt_search(
            self.cfg(**bounds), runtime, pair=self.pair, **self.manifests, **self.files, aligned_score=self.states,
            prompt_files=[self.system, self.pool], out=out,
        )  # fmt: skip
        facts = json.loads(out[0].with_name("m.json.meta.json").read_text())
        return json.loads(out[0].read_text()) | {"facts": facts, "text": out[0].read_text()}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Study:
    return Study(tmp_path_factory.mktemp("search"), tiny_models)


@pytest.fixture(scope="module")
def result(study: Study) -> dict[str, Any]:
    return study.made()


@pytest.fixture(scope="module")
def normal(study: Study) -> Callable[..., pd.Series]:
    """`Study.kl`, each prompt once."""
    known: dict[tuple[str, ...], pd.Series] = {}
    return lambda *shown: known.setdefault(shown, study.kl(*shown)) if shown not in known else known[shown]


def test_every_candidate_has_the_kl_of_the_normal_stages(result: dict[str, Any], normal: Callable[..., pd.Series]):
    """And greedy is brute force over the same candidates: the best first example, then the best one behind it."""
    rows = pd.DataFrame(result["responses"])
    half = rows[rows["half"] == "search"]
    shown: list[str] = []
    for step in result["steps"]:
        assert step["before"] == shown
        assert [one["example"] for one in step["candidates"]] == [name for name in POOL if name not in shown]
        means = {}
        for one in step["candidates"]:
            sums = normal(*shown, one["example"])[half["id"]]
            means[one["example"]] = sums.sum() / half["tokens"].sum()
            assert one["kl"] == pytest.approx(means[one["example"]], abs=1e-5)
        shown.append(min(means, key=means.__getitem__))
        assert [one["example"] for one in step["candidates"] if one["chosen"]] == shown[-1:]
    assert len(result["steps"]) == 2
    assert result["prompts"] == {"none": [], "default": DEFAULT, "found": shown}
    for prompt, examples in result["prompts"].items():
        for one in result["responses"]:
            assert one[prompt] == pytest.approx(normal(*examples)[one["id"]], abs=1e-4)


def test_order_matters_here(normal: Callable[..., pd.Series]):
    """Otherwise the identity above would not see it."""
    assert abs(normal("one", "two").sum() - normal("two", "one").sum()) > 0.1


def test_what_was_found_is_a_method(study: Study, result: dict[str, Any]):
    file = study.folder / "r/search/a/b/m_found.yaml"
    method = MethodConfig.model_validate(yaml.safe_load(file.read_text()))
    assert method.name == "m_found"
    assert method.prompt == study.prompt(*result["prompts"]["found"])


def test_positions_go_in_halves_where_a_card_is_full(
    study: Study, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    name = "superficial.probes.search.distance.divergence"
    refused = no_room(monkeypatch, name, lambda base, *_: len(base.states), most=5)
    found = study.made("full", runtime=RUNTIME.model_copy(update={"position_chunk": 16}))
    assert found["prompts"] == result["prompts"]
    for one, other in zip(found["responses"], result["responses"], strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    assert refused == [16, 8]


def test_the_work_is_counted_and_a_second_run_does_none(study: Study, monkeypatch: pytest.MonkeyPatch):
    """Forward passes are counted in the base's body; the aligned model has none."""
    fed: list[int] = []

    def reading(manifest: Path, device: str) -> Any:
        loaded = load_model(manifest, device)
        assert loaded.model.base_model.register_forward_pre_hook(
            lambda _module, _args, inputs: fed.append(inputs["input_ids"].shape[1]), with_kwargs=True
        )
        return loaded

    monkeypatch.setattr("superficial.probes.search.stage.load_model", reading)
    monkeypatch.setattr("superficial.models.head_file.load_model", None)  # no body of the aligned model is loaded
    first = study.made("counted")
    assert len(fed) == first["facts"]["forward_passes"]
    cost = first["cost"]
    assert cost["candidates"] == 4 + 3
    assert 0 < cost["forward_passes"] < first["facts"]["forward_passes"]  # the test half and the default come to it
    assert 0 < cost["fed_tokens"] < first["facts"]["fed_tokens"]
    # What the prompts of a step share is not read again for any of its candidates.
    known = [step["known_tokens"] for step in first["steps"]]
    assert min(known) >= 16
    assert fed.count(known[0]) >= 1
    fed.clear()
    second = study.made("counted")
    assert fed == []
    assert second["facts"]["forward_passes"] == second["facts"]["fed_tokens"] == 0
    assert second["text"] == first["text"]


def test_a_killed_run_goes_on_and_ends_alike(study: Study, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    """Killed after five candidates: those are not done again, and the rest is that of an undisturbed run to the bit."""
    from superficial.artifacts.store import Store

    original, left = Store.put, [5]

    def put(self: Store, values: Any) -> None:
        original(self, values)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", put)
        with pytest.raises(KeyboardInterrupt):
            study.made("killed")
    rest = study.made("killed")
    assert rest["text"] == result["text"]
    done = sum(one["forward_passes"] for step in result["steps"][:1] for one in step["candidates"])
    assert 0 < rest["facts"]["forward_passes"] <= result["facts"]["forward_passes"] - done


@pytest.mark.parametrize("make", [llama, gemma, recurrent])
def test_going_on_from_a_known_prefix_is_reading_it_whole(make: Callable[..., Any]):
    """Sliding windows shorter than either part too; a model with states beside keys and values reads all of it."""
    model = made(make, [1])
    short, long = prompts(40, (2, 3)), prompts(40, (30, 33))
    grown = [one[:40] + long[0][:25] + [7] * 20 + one[-3:] for one in long]  # 65 and 20 tokens in common
    sequences = [TokenSequence(one, prompts(0, (9 + row,))[0]) for row, one in enumerate(grown)]
    with torch.inference_mode():
        known = SharedPrefix.read(model, short)
        more = SharedPrefix.read(model, [sequence.context for sequence in sequences], known)
    scorer = TeacherForcing(model, 10_000, known=known)
    states = scorer.states(sequences)
    exact = torch.cat([TeacherForcing(model, 1).states([one]) for one in sequences])
    torch.testing.assert_close(states, exact, atol=1e-4, rtol=1e-4)
    if make is recurrent:
        assert known.fed == more.fed == 0
    else:
        assert WINDOW < more.fed == len(more.ids) - len(known.ids) < len(more.ids)
        assert scorer.fed_tokens == more.fed + sum(len(one.fed) - len(more.ids) for one in sequences)
        assert scorer.forward_passes == 2


def test_a_known_prefix_that_says_more_or_other_things_is_cut():
    model = made(gemma, [1])
    contexts, (other,) = prompts(40, (9, 5)), prompts(30, (40,))
    shared = contexts[0][:40]
    exact = TeacherForcing(model, 10_000).states([TokenSequence(one, [7, 8, 9]) for one in contexts])
    for known in ([[*shared, 5, 6, 7], [*shared, 5, 6, 8]], [shared[:33] + other[:20] + [1], shared[:33] + other[:20]]):
        with torch.inference_mode():
            prefix = SharedPrefix.read(model, known)
        scorer = TeacherForcing(model, 10_000, known=prefix)
        states = scorer.states([TokenSequence(one, [7, 8, 9]) for one in contexts])
        torch.testing.assert_close(states, exact, atol=1e-4, rtol=1e-4)
        assert scorer.fed_tokens < 40 + 9 + 5 + 4


@pytest.mark.parametrize("head", [{}, {"scale": 0.25}, {"softcap": 5.0}])
def test_a_divergence_alone_is_that_of_the_comparison(head: dict[str, float]):
    generator = torch.Generator().manual_seed(0)
    sides = [
        HeadAndStates(
            LMHead(torch.randn(5000, 24, generator=generator), None, head.get("scale", 1.0), head.get("softcap")),
            torch.randn(9, 24, generator=generator),
        )
        for _ in range(2)
    ]
    workspace = Workspace(16, 5000, torch.device("cpu"))
    found = divergence(*sides, workspace)
    whole = contrast(*sides, torch.zeros(9, dtype=torch.long), 3, workspace)
    assert (found > 0.1).all()
    assert found.tolist() == whole.kl_aligned_base.tolist()
    assert divergence(sides[0], sides[0], workspace).abs().max() < 1e-6


def test_greedy_takes_the_first_of_equals_and_shows_nothing_twice():
    asked: list[tuple[str, ...]] = []

    def value(shown: tuple[str, ...]) -> float:
        asked.append(shown)
        return {"a": 1.0, "b": 0.5, "c": 0.5}[shown[-1]]

    steps = greedy_search(["a", "b", "c"], 3, value)
    assert [step.chosen for step in steps] == ["b", "c", "a"]
    assert asked == [("a",), ("b",), ("c",), ("b", "a"), ("b", "c"), ("b", "c", "a")]


@pytest.mark.parametrize("examples", [None, 2, 5, 12])
def test_the_halves_hold_the_categories_in_their_shares(examples: int | None):
    kinds = ["regular"] * 14 + ["safety"] * 6 + ["other"]
    data = pd.DataFrame({"id": [f"i{at}" for at in range(21)], "category": kinds})
    halves = split(data, examples, 0)
    assert not set(halves["search"]) & set(halves["test"])
    both = [*halves["search"], *halves["test"]]
    assert len(both) == (examples or 21)
    assert 0 <= len(halves["search"]) - len(halves["test"]) <= 2
    counts = {name: data.set_index("id").loc[ids, "category"].value_counts() for name, ids in halves.items()}
    for kind in ("regular", "safety"):
        assert abs(counts["search"].get(kind, 0) - counts["test"].get(kind, 0)) <= 1
    if examples is None:
        assert counts["test"].to_dict() == {"regular": 7, "safety": 3}
    assert split(data, examples, 0) == halves
    assert split(data, None, 1) != split(data, None, 0)


def test_the_search_half_may_be_cut_and_the_test_half_is_whole(study: Study, normal: Callable[..., pd.Series]):
    rows = pd.DataFrame(study.made("cut", max_positions=4, k=1)["responses"]).set_index("half")
    assert set(rows.loc["search", "tokens"]) <= {3, 4}
    assert rows.loc["test", "tokens"].max() > 4
    for one in rows.loc["test"].itertuples():
        assert one.default == pytest.approx(normal(*DEFAULT)[one.id], abs=1e-4)
    for one in rows.loc["search"].itertuples():
        assert one.default <= normal(*DEFAULT)[one.id]


@pytest.mark.parametrize(("bounds", "told"), [({"k": 5}, "holds 4 of 5.*search.k=4"), ({"examples": None}, None)])
def test_what_cannot_be_searched_is_told(study: Study, tmp_path: Path, bounds: dict[str, Any], told: str | None):
    if told:
        with pytest.raises(UserError, match=told):
            study.made("bad", **bounds)
        return
    cfg = study.cfg()
    bare = cfg.model_copy(update={"method": cfg.method.model_copy(update={"prompt": study.prompt()})})
    files = {**study.files, "pair": study.pair, **study.manifests, "aligned_score": study.states}
    with pytest.raises(UserError, match=r"no examples to choose.*search\.method=NAME"):
        prompt_search(bare, RUNTIME, **files, prompt_files=[study.system], out=[tmp_path / "a/b/c/d.json"])
    one = tmp_path / "one.parquet"
    pd.read_parquet(study.files["data"]).head(2).to_parquet(one)
    with pytest.raises(UserError, match="too few for two halves"):
        prompt_search(
            cfg, RUNTIME, **(files | {"data": one}), prompt_files=[study.system, study.pool],
            out=[tmp_path / "search/b/c/d.json"],
        )  # fmt: skip


def searched(count: int, gain: float, *, found: list[str] | None = None) -> dict[str, Any]:
    """A finished search over `count` responses a half, in which the found prompt is `gain` nats nearer on average."""
    generator = np.random.default_rng(0)
    rows = []
    for half in ("search", "test"):
        for at in range(count):
            tokens = int(generator.integers(40, 240))
            own = tokens * generator.normal(1.35, 0.2)
            less = {"none": -0.04, "default": 0.0, "found": gain}
            sums = {
                name: own - tokens * (one + (name != "default") * generator.normal(0, 0.03))
                for name, one in less.items()
            }
            rows.append({"id": f"{half}{at}", "half": half, "category": "regular", "tokens": tokens, **sums})
    pool = ["clouds", "brakes", "time_zones", "water_tank", "leap_year", "kite_poem", "tent", "meter", "referee", "tea"]
    chosen = found or ["tent", "meter", "tea"]
    steps = []
    for at, name in enumerate(chosen):
        candidates = [
            {"example": one, "kl": 1.36 - 0.01 * at - 0.02 * (one == name) + abs(generator.normal(0, 0.008)),
             "chosen": one == name, "fed_tokens": 3000, "forward_passes": 21}
            for one in pool if one not in chosen[:at]
        ]  # fmt: skip
        steps.append({"before": chosen[:at], "known_tokens": 300, "candidates": candidates})
    return {
        "method": "urial_k3", "prompts": {"none": [], "default": ["clouds", "brakes", "time_zones"], "found": chosen},
        "steps": steps, "cost": {"candidates": 27, "fed_tokens": 81_900, "forward_passes": 570}, "responses": rows,
    }  # fmt: skip


INTERVALS = IntervalsConfig(resamples=300, confidence=0.95, seed=0)


def tables(folder: Path, *results: dict[str, Any]) -> list[PairTitle]:
    """The statistics of a search for each pair, where figure and table look for them."""
    for name, one in zip("pq", results, strict=False):
        file = folder / f"{name}.json"
        file.write_text(json.dumps(one))
        stats = folder / f"stats/tiny/{name}/zero_shot"
        search_stats(
            INTERVALS, RUNTIME, searched=file, out=[stats / f"prompt_search{end}.csv" for end in ("", "_trace")]
        )
    return [PairTitle(name=name, title=f"pair {name}") for name, _ in zip("pq", results, strict=False)]


def test_gains_by_hand():
    result = searched(2, 0.1)
    for row, (tokens, default, found) in zip(result["responses"], [(10, 20, 10), (30, 30, 30)] * 2, strict=True):
        row |= {"tokens": tokens, "default": default, "found": found, "none": default}
    rows = gains(result, INTERVALS).set_index(["half", "prompt", "measure"])
    assert rows.loc[("test", "default", "kl"), ["value", "tokens", "examples"]].tolist() == [50 / 40, 40, 2]
    # The two responses alone are 1 and 0 nats a token nearer, and any resample lies between them.
    assert rows.loc[("test", "found", "gain"), ["value", "low", "high"]].tolist() == [10 / 40, 0, 1]
    assert rows.loc[("test", "found", "gain_share"), ["value", "low", "high"]].tolist() == [10 / 50, 0, 0.5]
    # Paired: where nothing differs, the interval has no width, however different the responses are.
    assert rows.loc[("test", "none", "gain"), ["value", "low", "high"]].tolist() == [0, 0, 0]
    assert rows.loc[("search", "candidates", "fed_tokens"), "value"] == 81_900


@pytest.mark.parametrize(
    ("count", "gain", "found", "told"),
    [
        (20, 0.1, None, "nearer to the aligned model"),
        (20, -0.1, None, "farther from the aligned model"),
        (20, 0.0, None, "includes 0: no gain is shown"),
        (3, 0.1, None, "n = 3 on the test half: too small to tell"),
        (20, 0.0, ["clouds", "brakes", "time_zones"], "nothing nearer was found"),
    ],
)
def test_what_was_found_is_told_as_measured(count: int, gain: float, found: list[str] | None, told: str):
    table = gains(searched(count, gain, found=found), INTERVALS)
    text = " ".join(sentences(table, "URIAL (K = 3)", 5, 0.95))
    assert told in text
    assert ("nearer to" in text) == (told.startswith("nearer"))
    assert cost(table) == "27 candidates, 81,900 tokens read in 570 forward passes of the base"


def test_figure_and_table_say_what_there_is(tmp_path: Path):
    pairs = tables(tmp_path, searched(20, 0.0), searched(3, 0.05))
    look = {"unshifted": "c", "marginal": "y", "shifted": "r", "max_position": 50, "example": None, "dpi": 60}
    about = {"min_examples": 5, "dataset": "tiny", "context": "zero_shot", "confidence": 0.95, "pairs": pairs}
    draw(
        SearchFigure(**look, **about, example_tokens=20, method="M", max_positions=None),
        RUNTIME,
        results=tmp_path,
        out=tmp_path / "f.pdf",
    )
    words = " ".join(re.findall(r"<!-- (.*?) -->", (tmp_path / "f.svg").read_text(), flags=re.S))
    words += plain((tmp_path / "f.caption.md").read_text())
    assert words.count("too small to tell") == 2  # in the caption, and in the panel
    assert words.count("includes 0") == 1
    assert [words.count(f"half, n = {count}") for count in (20, 3)] == [2, 2]
    drawn = pd.read_csv(tmp_path / "f.csv")
    assert (drawn["prompt"] == "candidate").sum() == 2 * (1 + 10 + 9 + 8)
    out = [tmp_path / f"t.{form}" for form in ("csv", "md", "tex")]
    write_search_table(SearchTable(**about, method="M", max_positions=None), RUNTIME, results=tmp_path, out=out)
    text = out[1].read_text()
    assert text.count("too few") == 10
    assert text.count("tent, meter, tea") == 2 * 2  # in the row, and in the note
    assert len([line for line in text.splitlines() if line.startswith("| pair")]) == 1 + 2 * 3
    assert r"\bottomrule" in out[2].read_text()
