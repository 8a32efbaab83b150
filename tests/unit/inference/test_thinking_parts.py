"""Responses in two parts: the answer alone is the text, each token is on one side, and nothing else changes."""

from pathlib import Path

import pandas as pd
import pytest
from support.thinking import ANSWERS, OPENS, SECRET, WRITTEN, Scripted, thinking_tokenizer
from support.tiny import CHAT, END

from superficial.artifacts.files import digest
from superficial.artifacts.table import write_table
from superficial.config.schema import PromptConfig
from superficial.config.schema.method import ThinkingConfig
from superficial.data.answered import unanswered
from superficial.inference.generate.stage import _row, converse
from superficial.inference.generate.thinking import tell_thinking, with_thinking
from superficial.prompts.builder import PromptBuilder

SWITCH = CHAT + (
    "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
)


def answered(
    written: dict[str, tuple[str, bool]], template: str = OPENS, /, turns: int = 1, **prompt: object
) -> tuple[pd.DataFrame, Scripted]:
    """The table of the generate stage, of a model that writes this."""
    tokenizer = thinking_tokenizer(template)
    engine = Scripted(tokenizer, written)
    method = PromptConfig.model_validate({"kind": "chat"} | prompt)
    builder = PromptBuilder(method, tokenizer, model="tiny")
    dialogues = converse({name: ["Why?"] * turns for name in written}, builder, engine)
    table = pd.DataFrame([_row(name, one) for name, one in dialogues.items()])
    return with_thinking(table, [one.parts[-1] for one in dialogues.values()]), engine


def test_what_the_prompt_opened_ends_at_the_closing_marker_or_not_at_all():
    table, engine = answered(WRITTEN)
    rows = table.set_index("id")
    assert all(text.endswith("<|assistant|><think>\n") for text in engine.asked)
    assert rows["text"].to_dict() == ANSWERS
    assert rows.index[unanswered(rows)].tolist() == ["cut", "last", "nothing"]
    for name, row in rows.iterrows():
        before, after = row["token_ids"][: row["thinking_tokens"]], row["token_ids"][row["thinking_tokens"] :]
        assert engine.tokenizer.decode(before) == row["thinking"]
        assert engine.tokenizer.decode([one for one in after if one != END]).strip() == row["text"]
        assert len(before) + len(after) == len(row["token_ids"])
        assert (END in after) == WRITTEN[str(name)][1]


def test_an_end_within_the_thinking_is_a_token_of_it():
    table, _ = answered({"q": (SECRET, True)})
    assert table["thinking_tokens"].tolist() == [len(table["token_ids"][0])]
    assert unanswered(table).all()


@pytest.mark.parametrize("told", [{}, {"enable_thinking": True}, {"enable_thinking": False}])
def test_a_model_that_opens_its_thinking_itself(told: dict[str, bool]):
    """By its own marker; where the prompt has closed the thinking, a closing marker alone is only quoted."""
    written = {
        "own": ("<think>\nplants</think>\n\nHere.", True),
        "none": ("Here.", True),
        "late": ("So </think>.", True),
    }
    table, _ = answered(written, SWITCH, chat_template_kwargs=told)
    off = told.get("enable_thinking") is False
    assert table["text"].tolist() == ["Here.", "Here.", "So </think>." if off else "."]
    assert table["thinking"].notna().tolist() == [True, False, not off]
    assert table["thinking_tokens"].tolist()[1] == 0


def test_the_query_opens_nothing():
    """A user who writes a marker leaves the answers as they are."""
    tokenizer = thinking_tokenizer(SWITCH)
    engine = Scripted(tokenizer, {"q": ("Here.", True)})
    found = converse(
        {"q": ["What is <think>?"]}, PromptBuilder(PromptConfig(kind="chat"), tokenizer, model="t"), engine
    )
    assert [one.thinking for one in found["q"].parts] == [None]


def test_without_a_thinking_part_the_table_has_the_bytes_that_it_had(tmp_path: Path):
    """The columns of a table from before there was thinking, in the same order, with the same values."""
    written = {"a": ("Here is a list.", True), "b": ("How do I", False)}
    table, engine = answered(written, SWITCH)
    plain = [
        {
            "id": name, "prompt_ids": ids, "prompt_sha256": digest(ids), "token_ids": answer.token_ids,
            "text": text, "finish_reason": answer.finish_reason, "neighbours": [], "earlier_answers": [], "near_ties": 0.0,
        }
        for name, (text, ended) in written.items()
        for answer, ids in [(engine._said(text, ended), table["prompt_ids"][0])]
    ]  # fmt: skip
    for name, rows in (("new", table), ("old", pd.DataFrame(plain))):
        write_table(rows, tmp_path / f"{name}.parquet")
    assert (tmp_path / "new.parquet").read_bytes() == (tmp_path / "old.parquet").read_bytes()
    assert tell_thinking(table) == {}


def test_earlier_turns_show_answers_alone():
    table, engine = answered({"q": WRITTEN["both"]}, turns=2)
    assert table["earlier_answers"].tolist() == [[ANSWERS["both"]]]
    assert SECRET not in engine.asked[1]
    assert ANSWERS["both"] in engine.asked[1]


def test_a_text_to_complete_thinks_only_where_it_says_so():
    template = "Q: {instruction}\nA:"
    table, _ = answered({"a": ("So </think> it is.", False)}, kind="completion", template=template)
    assert table["text"].tolist() == ["So </think> it is."]
    table, _ = answered({"a": ("So </think> it is.", False)}, kind="completion", template=template + " <think>")
    assert table["text"].tolist() == ["it is."]


def test_a_method_names_markers_that_no_file_names():
    named = ThinkingConfig(opening="Thoughts:", closing="Answer:")
    table, _ = answered({"a": ("Thoughts: plants. Answer: Here.", True)}, CHAT, thinking=named)
    assert (table["thinking"][0], table["text"][0]) == ("Thoughts: plants. Answer:", "Here.")
    assert "thinking" not in PromptConfig(kind="chat").model_dump(mode="json")


def test_the_log_says_how_many_think_and_how_many_never_answer(capsys: pytest.CaptureFixture[str]):
    table, _ = answered(WRITTEN)
    assert tell_thinking(table) == {"thinking": 5, "unanswered": 3}
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("5 of 5 responses hold a thinking part")
    assert second.startswith("3 of 5 responses have no answer")
    assert "generate.max_new_tokens" in second
