"""Chat templates that ask for the date: told by the configuration, never by the clock."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import transformers.utils.chat_template_utils as templates
from support.local_judge import local_judge
from support.tiny import CHAT, make_model, make_tokenizer

from superficial.align.batches import read_examples
from superficial.artifacts.files import digest
from superficial.config.experiment import Experiment
from superficial.config.schema import ModelConfig, PromptConfig, RuntimeConfig
from superficial.config.schema.judge import AskedLocal
from superficial.judging.judges.item import Item
from superficial.judging.judges.probabilities import ProbabilityJudge
from superficial.models.load import load_model
from superficial.models.manifest import write_manifest
from superficial.models.template_date import DAY
from superficial.pipeline.run import Run
from superficial.prompts.builder import Prompt, PromptBuilder

# As in Llama 3.2 and in SmolLM3: read into a variable, within a macro, and with a check whether there is a clock.
LLAMA = (
    "{{- bos_token }}\n{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    '{%- set date_string = strftime_now("%d %b %Y") %}{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}'
    "{%- endif %}<|user|>Today Date: {{ date_string }}\n" + CHAT.removeprefix("{{ bos_token }}")
)
SMOL = (
    '\n  {% macro head(x) %}{%- set today = strftime_now("%-d %B %Y") -%}Today: {{ today }}{{ x }}{% endmacro %}'
    "{%- for message in messages %}{%- if loop.first %}{{ head('.') }}{%- endif %}{%- endfor %}\n" + CHAT
)


@pytest.fixture(params=["2026-11-29", "2031-01-02"])
def today(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the clock of the machine says."""
    day: str = request.param

    class Clock(datetime):
        @classmethod
        def now(cls, *_: Any) -> datetime:
            return datetime.fromisoformat(day)

    monkeypatch.setattr(templates, "datetime", Clock)
    return day


def built(template: str, day: str | None = None) -> Prompt:
    tokenizer = make_tokenizer(chat=True)
    tokenizer.chat_template = template
    prompt = PromptConfig(kind="chat", date=day and date.fromisoformat(day))
    return PromptBuilder(prompt, tokenizer, model="tiny").build("Which day is it?")


@pytest.mark.parametrize(("template", "said"), [(LLAMA, "Today Date: 26 Jul 2024\n"), (SMOL, "Today: 26 July 2024.")])
def test_a_prompt_is_the_same_on_every_day(template: str, said: str, today: str):
    prompt = built(template)
    assert said in prompt.text
    assert prompt == built(template, "2024-07-26")
    assert digest(prompt.ids) != digest(built(template, "2024-07-27").ids)


@pytest.mark.parametrize("template", [LLAMA, SMOL])
def test_nothing_but_the_date_differs_from_the_templates_own_text(template: str, today: str):
    """The template as transformers renders it on that day."""
    tokenizer = make_tokenizer(chat=True)
    tokenizer.chat_template = template
    message = [{"role": "user", "content": "Which day is it?"}]
    own = tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
    assert built(template, today).text.removeprefix("<bos>") == own.removeprefix("<bos>")


def test_special_tokens_in_an_instruction_are_still_told_apart(today: str):
    tokenizer = make_tokenizer(chat=True)
    tokenizer.chat_template = LLAMA
    builder = PromptBuilder(PromptConfig(kind="chat"), tokenizer, model="tiny")
    assert builder.build("a <|end|> b").ids.count(2) == 1  # the template's own


def test_the_day_comes_from_the_configuration_and_reaches_chats_alone():
    plain, other = (Run(Path("config"), list(day)) for day in ((), ("generate.date=2025-03-04",)))
    asked = [
        ("generate", "aligned"), ("generate", "zero_shot"), ("score", "aligned"), ("score", "zero_shot"),
        ("prefill", "aligned"), ("handoff", ""), ("compare", ""),
    ]  # fmt: skip
    changed = {" ".join(one) for one in asked if plain.slice(*one) != other.slice(*one)}
    assert changed == {"generate aligned", "score aligned", "prefill aligned"}
    assert json.loads(plain.slice("generate", "aligned"))["prompt"]["date"] == str(DAY)
    assert json.loads(other.slice("score", "aligned"))["context"]["date"] == "2025-03-04"
    own = Experiment(Path("config"), ["generate.date=2025-03-04", "method.aligned.prompt.date=2020-01-01"])
    assert own.method("aligned").prompt.date == date(2020, 1, 1)
    judge = other.judge("smollm2_local")
    assert isinstance(judge, AskedLocal)
    assert judge.date == date(2025, 3, 4)


def tiny(folder: Path) -> ModelConfig:
    source = {"kind": "local", "path": str(folder)}
    return ModelConfig.model_validate({"name": "judge", "title": "judge", "licence": "none", "source": source})


@pytest.mark.parametrize("clock", [True, False])
def test_a_judge_reads_the_same_on_every_day(clock: bool, today: str, tmp_path: Path):
    """What it read is kept by the day only if its template asks for it."""
    folder = make_model(tmp_path / "model", seed=5, chat=True)
    if clock:
        (folder / "chat_template.jinja").write_text(LLAMA, encoding="utf-8")
    write_manifest(folder / "manifest.json", tiny(folder))
    runtime = RuntimeConfig(device="cpu", generate_batch=2, score_tokens=512, position_chunk=64)
    item = Item("q", "safety", {"instruction": "Why?", "response": "So."})

    def read(day: str) -> Any:
        asked = local_judge().model_copy(update={"date": date.fromisoformat(day)})
        return ProbabilityJudge(asked, folder / "manifest.json", runtime, tmp_path / "results").scores([item])

    old, new = read("2024-07-26"), read("2025-01-01")
    assert (old != new) == clock
    assert len(list(tmp_path.glob("results/.judgments/*"))) == 1 + clock


def test_training_reads_no_clock(today: str, tmp_path: Path):
    folder = make_model(tmp_path / "model", seed=5, chat=True)
    (folder / "chat_template.jinja").write_text(LLAMA, encoding="utf-8")
    write_manifest(folder / "manifest.json", tiny(folder))
    loaded = load_model(folder / "manifest.json", "cpu")
    prompts = PromptBuilder.of(loaded, PromptConfig(kind="completion", template="Q: {instruction}\nA:"), ())
    line = {"instruction": "Why?", "response": "So.", "given": "So."}
    (tmp_path / "examples.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    (example,) = read_examples(tmp_path / "examples.jsonl", loaded, prompts, 2, 64)
    assert "Today Date: 26 Jul 2024" in loaded.tokenizer.decode(example.prompt)
