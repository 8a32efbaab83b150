"""Contexts of the base: the identities with the real stages and counted work, statistics that can be done by hand."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.tiny import END

from superficial.artifacts.errors import UserError
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import (
    CompareConfig,
    ContextsTable,
    ContextTitle,
    LocalSource,
    ModelConfig,
    Nothing,
    PairTitle,
    PromptConfig,
    RuntimeConfig,
    ScoreStage,
    StatsConfig,
)
from superficial.inference.shared_prefix import shared_prefix
from superficial.models import head_file
from superficial.models.load import LoadedModel, load_model
from superficial.models.stage import run as fetch
from superficial.pipeline.run import Run as Workflow
from superficial.pipeline.slices.probes import further_contexts
from superficial.probes.contexts import stage
from superficial.probes.contexts.entropy import EDGES, uncertainty
from superficial.probes.contexts.grouping import groupings
from superficial.probes.contexts.recovery import ALIGNED, recovery
from superficial.shift import compare, score
from superficial.shift.compare import token_positions
from superficial.shift.kinds.classify import KINDS
from superficial.shift.pair.stage import run as pair_stage
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.token_table import TokenTable
from superficial.views.notes.contexts import sentences
from superficial.views.tables import urial_recovery as table_stage

CFG = StatsConfig(resamples=300, confidence=0.95, seed=0, top_tokens=3, min_occurrences=2)
RUNTIME = RuntimeConfig(device="cpu", generate_batch=2, score_tokens=200, position_chunk=16)
ZERO_SHOT = PromptConfig(kind="completion", template="# Query:\n```{instruction}```\n\n# Answer:\n```\n")
LONG = PromptConfig(kind="completion", template="Here is a list of things that plants do.\n" * 3 + "{instruction}\n")
CHAT = PromptConfig(kind="chat")
LENGTHS = (1, 20, 12, 5)


class Run:
    """A base and an aligned model on disk, greedy responses of the aligned one, and the real stages over them."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder, self.work = folder, Work()
        for name in ("base", "aligned"):
            source = LocalSource(kind="local", path=str(models / name))
            fetch(ModelConfig(name=name, title=name, licence="none", source=source), RUNTIME, out=self.model(name))
        ids, words = [f"e{at}" for at in range(len(LENGTHS))], ["a", "plants", "keep alive", "How do I"]
        tags = {"tasks": [["how-to"]] * 4, "topics": [["nature"], ["nature", "art"], [], ["art"]]}
        data = {"id": ids, "instruction": words, "category": ["regular", "safety"] * 2, "turns": [[]] * 4, **tags}
        pd.DataFrame(data).to_parquet(folder / "data.parquet")
        self.answer(ids)
        for base in ("base", "aligned"):
            out = folder / f"pair_{base}.json"
            pair_stage(Nothing(), RUNTIME, base=self.model(base), aligned=self.model("aligned"), out=out)
        kinds = pd.DataFrame({"kind": pd.Categorical.from_codes(np.arange(sum(LENGTHS)) % 4, KINDS)})
        kinds.to_parquet(folder / "kinds.parquet")

    def model(self, name: str) -> Path:
        return self.folder / name / "manifest.json"

    def answer(self, ids: list[str]) -> None:
        """Greedy answers under the chat template, one token at a time."""
        loaded, rows = load_model(self.model("aligned"), "cpu"), []
        prompts = score.PromptBuilder.of(loaded, CHAT, ())
        for instruction, length in zip(read_table(self.folder / "data.parquet")["instruction"], LENGTHS, strict=True):
            tokens = prompts.build(instruction).ids
            asked = len(tokens)
            with torch.inference_mode():
                for _ in range(length):
                    tokens = [*tokens, int(loaded.model(torch.tensor([tokens])).logits[0, -1].argmax())]
            rows.append(tokens[asked:])
        answers = pd.DataFrame({"id": ids, "token_ids": rows, "finish_reason": "length", "earlier_answers": [[]] * 4})
        answers.to_parquet(self.folder / "responses.parquet")

    def score(self, base: str, context: str, prompt: PromptConfig) -> Path:
        """States of the model `base`, in the base's place, under `prompt`."""
        out = self.folder / f"scores/d/p/{base}.{context}.safetensors"
        files = {"data": self.folder / "data.parquet", "responses": self.folder / "responses.parquet"}
        pair = self.folder / f"pair_{base}.json"
        score.run(ScoreStage(context=prompt), RUNTIME, pair=pair, model=self.model(base), **files, out=out)
        return out

    def compare(self, base: str, context: str, states: Path) -> Path:
        out = self.folder / f"shifts/d/p/{context}.parquet"
        models = {"base": self.model(base), "aligned": self.model("aligned")}
        scores = {"base_score": states, "aligned_score": self.folder / "scores/d/p/aligned.aligned.safetensors"}
        pair, responses = self.folder / f"pair_{base}.json", self.folder / "responses.parquet"
        compare.run(CompareConfig(top_k=5), RUNTIME, pair=pair, **models, **scores, responses=responses, out=out)
        return out

    def tables(self, others: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
        out = [self.folder / "recovery.csv", self.folder / "entropy.csv"]
        kinds, data = self.folder / "kinds.parquet", self.folder / "data.parquet"
        reference = self.folder / "shifts/d/p/zero_shot.parquet"
        stage.run(CFG, RUNTIME, reference=reference, others=others, token_kinds=kinds, data=data, out=out)
        return read_table(out[0]), read_table(out[1])


class Work:
    """What the bodies of all models that are loaded have read."""

    def __init__(self) -> None:
        self.passes, self.tokens = 0, 0
        self._guard = threading.Lock()  # batches run beside each other

    @contextmanager
    def counted(self, monkeypatch: pytest.MonkeyPatch) -> Iterator["Work"]:
        def load(*given: object) -> LoadedModel:
            loaded = load_model(*given)  # type: ignore[arg-type]
            loaded.model.base_model.register_forward_pre_hook(self._count, with_kwargs=True)
            return loaded

        with monkeypatch.context() as patch:
            for module in (score, head_file):
                patch.setattr(module, "load_model", load)
            yield self

    def _count(self, _module: object, _args: object, inputs: dict[str, torch.Tensor]) -> None:
        rows, width = inputs["input_ids"].shape
        mask = inputs.get("attention_mask")
        with self._guard:
            self.passes += 1
            self.tokens += rows * width if mask is None else int(mask[:, -width:].sum())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Run:
    made = Run(tmp_path_factory.mktemp("contexts"), tiny_models)
    made.score("aligned", "aligned", CHAT)
    made.compare("base", "zero_shot", made.score("base", "zero_shot", ZERO_SHOT))
    return made


def test_identities(done: Run):
    """The aligned model under its own template in the base's place recovers everything, the base itself nothing."""
    again = done.compare("base", "same", done.score("base", "same", ZERO_SHOT))
    perfect = done.compare("aligned", "perfect", done.folder / "scores/d/p/aligned.aligned.safetensors")
    found, _ = done.tables([again, perfect])
    assert set(found["context"]) == {"zero_shot", "same", "perfect", ALIGNED}
    assert {"all", "kind", "task", "topic", "instruction", "position"} == set(found["grouping"])
    for contexts, closed, lost in ((("zero_shot", "same"), 0, 0), (("perfect", ALIGNED), 1, 0)):
        rows = found[found["context"].isin(contexts)]
        for measure, expected in (("kl_closed", closed), ("recovered", closed), ("lost", lost)):
            known = rows[(rows["measure"] == measure) & (rows["tokens"] > 0)]
            assert len(known) > 10
            assert (known[["value", "low", "high"]] == expected).all(axis=None), (contexts, measure)
    shares = found[(found["grouping"] == "all")].set_index(["context", "measure"])["value"]
    assert 0 < shares["zero_shot", "unshifted"] < 1
    assert shares["perfect", "unshifted"] == shares[ALIGNED, "unshifted"] == 1
    assert shares["perfect", "gained"] == pytest.approx(1 - shares["zero_shot", "unshifted"])
    assert shares["zero_shot", "kl"] > 0 == shares["perfect", "kl"]


def test_a_context_costs_one_pass_over_the_responses(done: Run, monkeypatch: pytest.MonkeyPatch):
    """Forward passes of every model are counted: context and response once, what contexts share once for all."""
    with Work().counted(monkeypatch) as work:
        states = done.score("base", "long", LONG)
        loaded = load_model(done.model("base"), "cpu")
        texts = read_table(done.folder / "data.parquet")["instruction"]
        prompts = [score.PromptBuilder.of(loaded, LONG, ()).build(text).ids for text in texts]
        shared = shared_prefix(loaded, prompts)
        assert len(shared) > 20
        own = sum(len(prompt) - len(shared) + length - 1 for prompt, length in zip(prompts, LENGTHS, strict=True))
        assert work.tokens == len(shared) + own
        before = work.passes, work.tokens
        found, _ = done.tables([done.compare("base", "long", states)])
        assert (work.passes, work.tokens) == before
    assert "long" in set(found["context"])


def test_the_bases_own_context_is_no_further_one():
    run = Workflow(Path("config"), ["method@context=vanilla_icl", "contexts=[system_only,vanilla_icl,urial_k1]"])
    assert further_contexts(run) == ["system_only", "urial_k1"]
    found = json.loads(run.slice("contexts_figure"))["contexts"]
    assert [(one["name"], one["examples"]) for one in found] == [
        ("vanilla_icl", 3),
        ("system_only", 0),
        ("urial_k1", 1),
    ]


def test_other_responses_are_refused(done: Run, tmp_path: Path):
    other = read_table(done.folder / "shifts/d/p/zero_shot.parquet")
    other.loc[3, "token_id"] = END
    write_table(other, tmp_path / "urial_k3.parquet")
    with pytest.raises(UserError, match=r"urial_k3\.parquet: it is about other responses"):
        done.tables([tmp_path / "urial_k3.parquet"])


def frame(
    ranks: list[list[int]], kl: list[list[float]], top: list[float] | None = None, kinds: tuple[str, ...] = ()
) -> TokenTable:
    ids = [[7] * len(row) for row in ranks]
    found = pd.DataFrame(
        token_positions(pd.DataFrame({"id": [f"e{at}" for at in range(len(ranks))], "token_ids": ids}))
    )
    found["base_rank"], found["kl_aligned_base"] = np.concatenate(ranks), np.concatenate(kl)
    found["aligned_rank"], found["aligned_entropy"] = 1, 0.5
    found["base_entropy"] = np.concatenate(kl)
    found["base_top_probs"] = [top or [0.6, 0.2, 0.1]] * len(found)
    found["kind"] = pd.Categorical(kinds or [KINDS[0]] * len(found), KINDS)
    return TokenTable.of(found)


def test_recovery_by_hand():
    kinds = ("content", "style", "content", "style", "style", "content", "safety")
    base = frame([[1, 4, 9, 2], [1, 1, 5]], [[0.0, 4.0, 4.0, 1.0], [0.5, 0.5, 2.0]], kinds=kinds)
    other = frame([[1, 1, 2, 1], [3, 1, 6]], [[0.0, 1.0, 4.0, 1.0], [1.5, 0.5, 1.0]])
    data = pd.DataFrame({"id": ["e0", "e1"], "tasks": [["a"], ["a", "b"]], "topics": [[], []], "category": "regular"})
    groups = list(groupings(base, data))
    found = recovery(("zero_shot", base), {"urial": other}, groups, Bootstrap.over(2, CFG))
    rows = found[found["context"] == "urial"].set_index(["grouping", "group", "measure"])
    value = rows["value"]
    assert value["all", "all", "kl"] == pytest.approx(9 / 7)
    assert value["all", "all", "kl_closed"] == pytest.approx(1 - 9 / 12)
    assert value["all", "all", "recovered"] == pytest.approx(1 / 3)  # of 4, 9 and 5 the first
    assert value["all", "all", "lost"] == pytest.approx(1 / 3)  # of three, that which falls to rank 3
    assert value["all", "all", "unshifted"] == pytest.approx(4 / 7)
    assert value["all", "all", "shifted"] == pytest.approx(1 / 7)
    assert value["all", "all", "gained"] == pytest.approx(4 / 7 - 3 / 7)
    assert rows["tokens"]["all", "all", "recovered"] == 3
    assert rows["examples"]["kind", "safety", "kl_closed"] == 1
    assert value["kind", "style", "kl_closed"] == pytest.approx(1 - 3.5 / 5.5)
    assert value["kind", "content", "kl_closed"] == pytest.approx(1 - 4.5 / 4.5)
    assert value["kind", "safety", "kl_closed_more"] == pytest.approx(0.5 - 0)
    assert value["task", "b", "kl_closed"] == pytest.approx(1 - 3 / 3)
    assert np.isnan(value["kind", "style", "recovered"]) is np.False_
    assert ("topic", "", "kl") not in rows.index


def test_a_context_that_makes_it_worse_closes_less_than_nothing():
    base, other = (frame([[1, 1], [1, 4]], [[value, value], [value, value]]) for value in (1.0, 3.0))
    groups = [one for one in groupings(base, tagged(2)) if one.name == "all"]
    found = recovery(("a", base), {"b": other}, groups, Bootstrap.over(2, CFG)).set_index(["context", "measure"])
    assert found.loc[("b", "kl_closed"), ["value", "low", "high"]].tolist() == [-2, -2, -2]


def tagged(examples: int) -> pd.DataFrame:
    empty = [[]] * examples
    return pd.DataFrame({"id": [f"e{at}" for at in range(examples)], "tasks": empty, "topics": empty, "category": "r"})


def test_intervals_come_from_examples_not_tokens():
    """Ten copies of every token change no interval; ten times the examples narrow it."""
    rng = np.random.default_rng(0)
    few = [(rng.integers(1, 6, 20).tolist(), rng.gamma(1, 1, 20).tolist()) for _ in range(8)]
    width = {}
    for name, rows in {"few": few, "longer": [(a * 10, b * 10) for a, b in few], "more": few * 10}.items():
        base = frame([ranks for ranks, _ in rows], [kl for _, kl in rows])
        other = frame([ranks[::-1] for ranks, _ in rows], [[0.3 + value / 2 for value in kl] for _, kl in rows])
        groups = [one for one in groupings(base, tagged(len(rows))) if one.name == "all"]
        found = recovery(("a", base), {"b": other}, groups, Bootstrap.over(len(rows), CFG))
        row = found[(found["context"] == "b") & (found["measure"] == "kl_closed")].iloc[0]
        assert row["low"] < row["value"] < row["high"]
        width[name] = row["high"] - row["low"]
    assert width["longer"] == pytest.approx(width["few"])
    assert width["more"] < 0.5 * width["few"]


@pytest.mark.parametrize("rows", [1, 40, 10**6])
def test_parts_of_any_size_give_the_same_tables(done: Run, monkeypatch: pytest.MonkeyPatch, rows: int):
    """So no more than a part is in memory; a part has whole responses, the longest of which has 20 tokens."""
    other = done.compare("base", "long", done.score("base", "long", LONG))
    names, made = ("recovery.csv", "entropy.csv"), []
    for size in (10**6, rows):
        with monkeypatch.context() as patch:
            patch.setattr("superficial.shift.statistics.token_table.ROWS", size)
            done.tables([other])
        made.append([(done.folder / name).read_bytes() for name in names])
    assert made[0] == made[1]


def test_uncertainty_by_hand():
    table = frame([[1, 4, 9], [1, 2]], [[0.1, 0.3, 2.5], [0.1, 9.0]])  # entropies, too
    found = uncertainty(("zero_shot", table), {}, Bootstrap.over(2, CFG))
    rows = found[found["context"] == "zero_shot"].set_index(["view", "measure", "bin"]).sort_index()
    assert rows.loc[("entropy", "shifted")]["value"].to_dict() == {0.0: 0, 0.25: 1, 2.0: 1, 5.0: 0}
    assert rows.loc[("entropy", "shifted")]["tokens"].to_dict() == {0.0: 2, 0.25: 1, 2.0: 1, 5.0: 1}
    assert set(rows.loc[("entropy", "drawn")].index) <= set(EDGES)
    assert rows.loc[("entropy", "drawn")]["value"].tolist() == pytest.approx([0.1] * 4, abs=1e-6)
    assert rows.loc[("calibration", "first", 0.6), "value"] == pytest.approx(2 / 5)
    assert rows.loc[("calibration", "probability", 0.6), "value"] == pytest.approx(0.6)
    assert rows.loc[("all", "sure", 0.0), ["value", "tokens"]].tolist() == [1, 2]  # two shifted tokens, both at 0.6
    assert rows.loc[("position", "entropy", 0.0), "value"] == pytest.approx(12 / 5)
    aligned = found[found["context"] == ALIGNED]
    assert aligned[["view", "measure", "bin", "value"]].to_numpy().tolist() == [["position", "entropy", 0, 0.5]]


def test_few_candidates_leave_out_what_needs_more():
    table = frame([[1, 4]], [[0.1, 0.3]], top=[0.9])
    found = uncertainty(("zero_shot", table), {}, Bootstrap.over(1, CFG))
    assert "drawn" not in set(found["measure"])
    assert {"first", "probability", "sure", "shifted", "entropy"} == set(found["measure"])


def test_what_a_base_draws_from_its_own_distribution_is_calibrated():
    """Ranks drawn from the candidates: the first choice comes as often as its probability says, shifts as `drawn` says."""
    rng = np.random.default_rng(3)
    rows, tops = [], []
    for _ in range(60):
        probs = np.sort(rng.dirichlet([0.4] * 6, 100), axis=1)[:, ::-1]
        rows.append([1 + rng.choice(6, p=one) for one in probs])
        tops += probs[:, :4].tolist()
    drawn = frame(rows, [[0.7] * 100] * 60)
    table = pd.DataFrame(
        {name: drawn.column(name) for name in ("position", "base_rank", "base_entropy", "aligned_entropy")}
    )
    table = TokenTable.of(table.assign(base_top_probs=tops))
    found = (
        uncertainty(("zero_shot", table), {}, Bootstrap.over(60, CFG))
        .set_index(["view", "measure", "bin"])
        .sort_index()
    )
    one, other = found.loc[("calibration", "first")], found.loc[("calibration", "probability")]
    assert ((one["low"] <= other["value"]) & (other["value"] <= one["high"])).mean() >= 0.7
    assert found.loc[("all", "shifted", 0.0), "value"] == pytest.approx(
        found.loc[("all", "drawn", 0.0), "value"], abs=0.02
    )


def spoken(**values: tuple[float, float, float, int]) -> pd.DataFrame:
    """A recovery table of one context: value, low, high and examples by GROUP_MEASURE."""
    rows = []
    for name, (value, low, high, examples) in values.items():
        group, measure = name.split("_", 1)
        grouping = "all" if group == "all" else "kind"
        rows.append(("urial_k3", grouping, group, measure, value, low, high, 100, examples))
    columns = ["context", "grouping", "group", "measure", "value", "low", "high", "tokens", "examples"]
    return pd.DataFrame(rows, columns=columns)


def test_sentences_give_the_numbers_as_measured_and_say_when_n_is_too_small():
    table = spoken(
        all_kl_closed=(-0.123, -0.2, 0.01, 40), style_kl_closed=(0.5, 0.4, 0.6, 40), content_kl_closed=(0.1, 0, 0.2, 40),
        safety_kl_closed=(0.9, 0.8, 1, 4), style_kl_closed_more=(0.4, 0.3, 0.5, 40), all_recovered=(0.25, 0.2, 0.3, 39),
        safety_kl_closed_more=(0.8, 0.7, 0.9, 4), all_lost=(0.125, 0.1, 0.2, 40), all_gained=(0.03, 0.01, 0.05, 40),
    )  # fmt: skip
    context = ContextTitle(name="urial_k3", title="URIAL (K = 3)", examples=3)
    assert sentences(table, context, 5) == [
        "Three examples (URIAL (K = 3)) close −12.3 % [−20.0, 1.0] of the shift (KL), which n = 40 cannot tell from 0; "
        "style 50.0 % [40.0, 60.0], safety too few, content 10.0 % [0.0, 20.0].",
        "Closed beyond content: style +40.0 points [+30.0, +50.0]; safety too few.",
        "Of the shifted tokens 25.0 % [20.0, 30.0] become the base's first choice, of the unshifted 12.5 % [10.0, 20.0] "
        "cease to be it: unshifted +3.0 points [+1.0, +5.0].",
    ]
    assert sentences(table, context, 41) == ["URIAL (K = 3): n = 40 is too few to tell what it recovers."]
    assert sentences(table, context.model_copy(update={"examples": 0}), 5)[0].startswith("URIAL (K = 3) closes −12.3")


def test_the_table_has_a_row_for_every_context(done: Run):
    same = done.compare("base", "same", done.folder / "scores/d/p/base.zero_shot.safetensors")
    done.tables([same])
    found = done.folder / "stats/tiny/tiny/zero_shot/recovery.csv"
    found.parent.mkdir(parents=True, exist_ok=True)
    found.write_bytes((done.folder / "recovery.csv").read_bytes())
    titles = [ContextTitle(name=name, title=name, examples=0) for name in ("zero_shot", "same")]
    pairs = [PairTitle(name="tiny", title="50 % of a_b")]
    cfg = ContextsTable(
        dataset="tiny", context="zero_shot", confidence=0.95, min_examples=2, pairs=pairs, contexts=titles
    )
    out = [done.folder / f"table.{suffix}" for suffix in ("csv", "md", "tex")]
    table_stage.run(cfg, RUNTIME, results=done.folder, out=out)
    lines = out[1].read_text().splitlines()
    rows = {line.split(" | ")[1]: line.split(" | ")[2:] for line in lines[2:5]}
    assert set(rows) == {r"zero\_shot", r"same", "Aligned model"}
    assert rows["same"] == rows[r"zero\_shot"]
    assert rows["same"][1] == "0.0<br>[0.0, 0.0]"
    assert rows["Aligned model"][1] == "100.0<br>[100.0, 100.0]"
    assert "same closes 0.0 % [0.0, 0.0] of the shift (KL), which n = 4 cannot tell from 0" in lines[-1]
    assert r"50 \% of a\_b" in out[2].read_text()
