"""All methods of a model answered by one start of its server, of one context length."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from support.behind import Behind, command
from support.tiny import make_model

from superficial.artifacts.errors import UserError
from superficial.config.schema import LocalSource, ModelConfig, Runtime, TogetherStage
from superficial.inference.generate.stage import run as generate
from superficial.inference.generate.together import run
from superficial.models.stage import run as fetch

LONG = "Here is a list of the things that you can do. " * 50  # more tokens than a server is started for at a time
PROMPTS = {
    "a_short": {"kind": "completion", "template": "Q: {instruction}\nA:", "closing": "\n"},
    "b_long": {"kind": "completion", "template": LONG + "Q: {instruction}\nA:", "closing": "\n"},
    "c_pool": {
        "kind": "completion", "template": "Q: {instruction}\nA:", "closing": "\n", "system": "system.txt",
        "examples": {"file": "examples.jsonl", "ids": ["one"], "style": "plain"},
    },
}  # fmt: skip
FILES = {"a_short": [], "b_long": [], "c_pool": ["system.txt", "examples.jsonl"]}


class Workplace:
    """A model, a dialogue whose second query is long, and a server that tells of every start."""

    def __init__(self, folder: Path, backend: Behind) -> None:
        self.results, self.data, self._starts = folder / "results", folder / "data.parquet", folder / "starts"
        self.model = self.results / "models/tiny/manifest.json"
        source = LocalSource(kind="local", path=str(make_model(folder / "tiny", seed=3)))
        engine = {"kind": "started", "python": sys.executable, "packages": ["pytest"]}
        engine["command"] = command(backend, "--child", str(self._starts))
        sizes = {"device": "cpu", "generate_batch": 4, "score_tokens": 100, "position_chunk": 16}
        self.runtime = Runtime.model_validate(sizes | {"engine": engine})
        fetch(ModelConfig(name="tiny", title="t", licence="none", source=source), self.runtime, out=self.model)
        turns = [["And?", LONG], []]
        pd.DataFrame({"id": ["talk", "one"], "instruction": ["And?", "Why?"], "turns": turns}).to_parquet(self.data)

    @property
    def starts(self) -> int:
        return len(self._starts.read_text().splitlines()) if self._starts.exists() else 0

    def together(self, *methods: str) -> None:
        files = [Path(file) for name in methods for file in FILES[name]]
        given = {"model": self.model, "data": self.data, "prompt_files": files, "results": self.results}
        run(config(*methods), self.runtime, **given)

    def alone(self, method: str) -> None:
        """Make the table of one method."""
        out = self.results / f"responses/d/tiny/{method}.parquet"
        files = [Path(file) for file in FILES[method]]
        generate(
            config(method).methods[method], self.runtime, model=self.model, data=self.data, prompt_files=files, out=out
        )


def config(*methods: str) -> TogetherStage:
    decoding = {"repetition_penalty": 1.1}
    how = {name: {"max_new_tokens": 4, "prompt": PROMPTS[name], "decoding": decoding} for name in methods}
    return TogetherStage.model_validate({"methods": how})


@pytest.fixture
def backend() -> Iterator[Behind]:
    with Behind() as found:
        yield found


@pytest.fixture
def place(backend: Behind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    monkeypatch.chdir(tmp_path)
    Path("system.txt").write_text("Be kind.")
    Path("examples.jsonl").write_text('{"id": "one", "instruction": "How?", "plain": "So.", "restyled": "So!"}\n')
    return Workplace(tmp_path, backend)


def test_one_start_answers_all_methods_and_every_turn(place: Workplace, backend: Behind) -> None:
    place.together(*PROMPTS)
    assert place.starts == 1
    asked = len(backend.asked)
    assert len(backend.answers) == 9  # of three methods: an instruction, and two turns
    for method in PROMPTS:
        place.alone(method)
    place.together(*PROMPTS)
    assert (place.starts, len(backend.asked)) == (1, asked)


def test_a_method_that_cannot_be_asked_does_not_hold_up_the_others(
    place: Workplace, backend: Behind, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PROMPTS, "b_long", PROMPTS["b_long"] | {"template": LONG * 4 + "Q: {instruction}\nA:"})
    place.together(*PROMPTS)
    assert "method b_long is left to its own job: instruction" in capsys.readouterr().err
    assert (place.starts, len(backend.answers)) == (1, 6)
    place.alone("a_short")
    place.alone("c_pool")
    with pytest.raises(UserError, match=r"prompt and response needs .* tokens, and model tiny has positions for 2048"):
        place.alone("b_long")
    assert (place.starts, len(backend.answers)) == (1, 6)
