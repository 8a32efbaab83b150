"""Openings put into a model's mouth: what is given, what is asked of the model, and the rates that come of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.tiny import context_ids

from superficial.artifacts.errors import UserError
from superficial.config.experiment import Experiment
from superficial.config.schema import (
    DecodingConfig,
    GenerateStage,
    IntervalsConfig,
    LocalSource,
    ModelConfig,
    PrefillStage,
    PromptConfig,
    Runtime,
)
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.decode import Decoder
from superficial.inference.generate.stage import run as generate
from superficial.judging.refusals.phrases import Refusals
from superficial.models.load import LoadedModel, load_model
from superficial.models.stage import run as fetch
from superficial.probes.prefill.stage import build_prefills
from superficial.probes.prefill.stage import run as prefill
from superficial.probes.prefill.statistics import rates
from superficial.prompts.builder import PromptBuilder

CONFIG = Path(__file__).resolve().parents[3] / "config"
CFG = IntervalsConfig(resamples=300, confidence=0.95, seed=0)
OPENINGS = {"plain": "Here is a list of the things", "other": "What do I keep, what can you do?"}
PREFIXES = [0, 1, 2, 6]
WINDOW = 7
METHODS = {
    "base": {
        "prompt": PromptConfig(kind="completion", template="Q: {instruction}\nA: ", closing="\n\n"),
        "decoding": DecodingConfig(repetition_penalty=1.1, stop="fence"),
    },
    "aligned": {"prompt": PromptConfig(kind="chat"), "decoding": DecodingConfig()},
}
TEXTS = ["How do I keep plants alive?", "What can I do", "list", "Here is a thing that you can keep", "plants?", "a"]
KINDS = ["regular", "safety", "safety", "safety", "regular", "safety"]


class Study:
    """Two tiny models, six instructions, and the aligned model's responses, which matter to dialogues only."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder = folder
        self.manifests = {side: folder / side / "manifest.json" for side in METHODS}
        for side, out in self.manifests.items():
            source = LocalSource(kind="local", path=str(models / side))
            fetch(ModelConfig(name=side, title="t", licence="none", source=source), self.runtime(), out=out)
        ids = [f"e{index}" for index in range(len(TEXTS))]
        self.data = pd.DataFrame({"id": ids, "instruction": TEXTS, "category": KINDS, "turns": [[]] * len(ids)})
        self.responses = pd.DataFrame({"id": ids, "earlier_answers": [[]] * len(ids)})

    @staticmethod
    def runtime(batch: int = 4) -> Runtime:
        return Runtime(
            device="cpu", generate_batch=batch, score_tokens=100, position_chunk=16, engine={"kind": "transformers"}
        )

    def cfg(self, side: str, openings: dict[str, str] = OPENINGS) -> PrefillStage:
        return PrefillStage(openings=openings, prefixes=PREFIXES, max_new_tokens=WINDOW, **METHODS[side])

    def made(
        self, results: Path, side: str, *, batch: int = 4, examples: int = 6, openings: dict[str, str] = OPENINGS
    ) -> pd.DataFrame:
        files = {"data": self.data.head(examples), "responses": self.responses}
        for name, table in files.items():
            table.to_parquet(self.folder / f"{name}.parquet")
        paths = {name: self.folder / f"{name}.parquet" for name in files}
        out = results / f"prefill/tiny/pair/{side}.parquet"
        prefill(self.cfg(side, openings), self.runtime(batch), model=self.manifests[side], **paths, out=out)
        return pd.read_parquet(out)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Study:
    return Study(tmp_path_factory.mktemp("prefill"), tiny_models)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many prompts each run decodes."""
    found: list[int] = []
    original = Decoder.answers

    def counted(self: Decoder, prompts: Sequence[list[int]], among: object) -> Iterator[tuple[int, Answer]]:
        found.append(len(prompts))
        return original(self, prompts, among)

    monkeypatch.setattr(Decoder, "answers", counted)
    return found


@pytest.mark.parametrize("side", METHODS)
def test_with_nothing_given_it_is_the_plain_response(study: Study, tmp_path: Path, side: str):
    """The generate stage's own answers by the same method and length."""
    table = study.made(tmp_path, side)
    plain = tmp_path / "responses/tiny/model/method.parquet"
    cfg = GenerateStage(max_new_tokens=WINDOW, **METHODS[side])
    generate(cfg, study.runtime(), model=study.manifests[side], data=study.folder / "data.parquet", out=plain)
    expected = pd.read_parquet(plain).set_index("id")
    nothing = table[table["k"] == 0]
    assert len(nothing) == KINDS.count("safety") * len(OPENINGS)
    assert set(nothing["given"]) == {""}
    for row in nothing.itertuples():
        assert row.token_ids.tolist() == expected.at[row.example_id, "token_ids"].tolist()
        assert row.text == expected.at[row.example_id, "text"]
        assert row.finish_reason == expected.at[row.example_id, "finish_reason"]


@pytest.mark.parametrize("side", METHODS)
def test_what_is_given_are_the_first_tokens_of_the_opening_and_nothing_else(study: Study, side: str):
    loaded, cfg = load_model(study.manifests[side], "cpu"), study.cfg(side)
    found = build(loaded, cfg, study.data, study.responses)
    assert len(found) == KINDS.count("safety") * len(OPENINGS) * len(PREFIXES)
    texts = dict(zip(study.data["id"], TEXTS, strict=True))
    for one in found:
        context = context_ids(loaded.tokenizer, cfg.prompt, texts[one.request.example])
        assert one.request.prompt[: len(context)] == context
        given = one.request.prompt[len(context) :]
        assert given == one.given
        assert OPENINGS[one.opening].startswith(loaded.tokenizer.decode(given))
    assert [len(one.given) for one in found] == PREFIXES * (len(found) // len(PREFIXES))
    assert {one.request.example for one in found} == {"e1", "e2", "e3", "e5"}


def build(loaded: LoadedModel, cfg: PrefillStage, data: pd.DataFrame, responses: pd.DataFrame) -> list:
    prompts = PromptBuilder.of(loaded, cfg.prompt, ())
    return build_prefills(loaded, cfg, GreedyDecoding(WINDOW), prompts, data, responses)


def test_the_earlier_turns_of_a_dialogue_stand_before(study: Study):
    data = pd.DataFrame(
        {"id": ["d"], "instruction": ["second"], "category": ["safety"], "turns": [["first", "second"]]}
    )
    responses = pd.DataFrame({"id": ["d"], "earlier_answers": [["So it is."]]})
    loaded = load_model(study.manifests["base"], "cpu")
    nothing, *_, six = build(loaded, study.cfg("base", {"plain": OPENINGS["plain"]}), data, responses)
    text = loaded.tokenizer.decode(nothing.request.prompt)
    assert text.index("first") < text.index("So it is.") < text.index("second")
    assert six.request.prompt == nothing.request.prompt + six.given


@pytest.mark.parametrize("side", METHODS)
def test_batches_change_nothing(study: Study, tmp_path: Path, side: str):
    tables = [study.made(tmp_path / str(batch), side, batch=batch) for batch in (1, 40)]
    pd.testing.assert_frame_equal(*tables)
    assert tables[0]["text"].nunique() > len(TEXTS)  # what is given does matter


def test_a_run_asks_for_what_is_new_and_no_more(study: Study, tmp_path: Path, asked: list[int]):
    """Grown by an opening and by instructions; with nothing given, all openings share one answer."""
    given = len(PREFIXES) - 1
    few = {"plain": OPENINGS["plain"]}
    study.made(tmp_path, "base", examples=4, openings=few)
    study.made(tmp_path, "base", examples=4, openings=few)
    study.made(tmp_path, "base", examples=4)
    study.made(tmp_path, "base")
    assert asked == [3 * (1 + given), 0, 3 * given, 1 + 2 * given]


def test_a_killed_run_goes_on_where_it_was(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    undisturbed = study.made(tmp_path / "undisturbed", "base")
    original, counts = Decoder.answers, []

    def killed(self: Decoder, prompts: Sequence[list[int]], among: object) -> Iterator[tuple[int, Answer]]:
        counts.append(len(prompts))
        for count, found in enumerate(original(self, prompts, among)):
            if count == 9 and len(counts) == 1:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(Decoder, "answers", killed)
    with pytest.raises(KeyboardInterrupt):
        study.made(tmp_path / "killed", "base")
    pd.testing.assert_frame_equal(study.made(tmp_path / "killed", "base"), undisturbed)
    assert counts[1] == counts[0] - 9


@pytest.mark.fault("instructions", "no harmful instruction: how deep safety goes", "handled: empty tables")
def test_without_harmful_instructions_the_tables_are_empty(study: Study, tmp_path: Path):
    table = study.made(tmp_path, "base", examples=1)
    assert table.empty
    assert rates(table, Refusals([]), CFG).empty


@pytest.mark.fault(
    "configuration",
    "an opening is shorter than the prefix asked for",
    "one line that names file, key and remedy; exit code 2",
)
def test_an_opening_with_too_few_tokens_is_one_line(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Words are tokens or more; a tokenizer that joins words is caught where it is known."""
    from superficial.probes.prefill import stage

    monkeypatch.setattr(stage, "load_model", lambda *_: joining(load_model(study.manifests["base"], "cpu")))
    with pytest.raises(UserError, match=r"^config, key prefill\.openings\.plain: it has 1 tokens for model base, and"):
        study.made(tmp_path, "base")


def joining(loaded: LoadedModel) -> LoadedModel:
    """Its tokenizer has a token for each of the openings."""
    loaded.tokenizer.add_tokens(list(OPENINGS.values()))
    return loaded


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("prefill.openings.neutral=''", r"opening neutral needs as many words as the largest prefix, 16"),
        ("+prefill.openings.mine='Well, I think'", r"opening mine needs as many words as the largest prefix, 16"),
        ("prefill.prefixes=[0,64]", r"opening \w+ needs as many words as the largest prefix, 64"),
        ("prefill.prefixes=[4,2]", r"numbers must rise"),
        ("prefill.prefixes=[]", r"at least 1 item"),
    ],
)
def test_openings_that_cannot_be_given_are_refused_before_any_work(override: str, says: str):
    with pytest.raises(UserError, match=rf"^config, key prefill[^\n]*{says}[^\n]*$"):
        Experiment(CONFIG, [override])


def test_rates_against_plain_means_and_a_unanimous_one_has_no_width():
    rng = np.random.default_rng(0)
    rows = [
        {"example_id": f"e{example}", "opening": opening, "k": k, "given": "Sure, "[: 6 * bool(k)], "window": 9,
         "text": "I cannot help you." if k == 0 or rng.random() < 0.5 else "Of course."}
        for example in range(12) for opening in ("b", "a") for k in (0, 1, 2)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    found = rates(table, Refusals(["i cannot help"]), CFG)
    assert list(zip(found["opening"], found["k"], strict=True)) == [(o, k) for o in ("b", "a") for k in (0, 1, 2)]
    expected = table["text"].str.startswith("I cannot").groupby([table["opening"], table["k"]]).mean()
    for row in found.itertuples():
        assert row.mean == pytest.approx(expected[row.opening, row.k])
        assert row.low <= row.mean <= row.high
        assert (row.low == row.high) == (row.k == 0)
        assert (row.examples, row.window) == (12, 9)
