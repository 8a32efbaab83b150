"""A model that thinks, through the workflow: its template opens the thinking, and some of it never ends."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from support.project import Project
from support.tiny import CHAT, make_model

from superficial.data.answered import NO_ANSWER, unanswered

ASKED = ("methods=[zero_shot]", "contexts=[]", "pairwise.systems=[{a:base.zero_shot,b:aligned}]", "pair=deep")
TARGETS = ("tables/thinking", "tables/responses", "tables/scores", "figures/shift_browser")
RESPONSES = "results/responses/tiny/deep/aligned.parquet"


def closing(responses: pd.DataFrame) -> str:
    """A text that some responses hold in their middle, and some do not hold: it may stand for the closing marker."""
    texts = responses["text"].tolist()
    for word in sorted({word for text in texts for word in re.findall(r"[a-z]{3,6}", text)}):
        held = [text.partition(word)[2].strip() for text in texts if word in text]
        if len(held) < len(texts) and any(held):
            return word
    raise AssertionError("the tiny model says the same everywhere")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Project:
    folder = tmp_path_factory.mktemp("thinking")
    model = make_model(folder / "deep", seed=1, shift=0.06, chat=True)
    (model / "chat_template.jinja").write_text(CHAT + "{% if add_generation_prompt %}<think>{% endif %}")
    made = Project(folder / "project", tiny_models)
    made.add_model("deep", {"kind": "local", "path": str(model)})
    made.add_pair("deep", "tiny_base", "deep")
    return made


def test_answers_are_judged_thinking_is_counted_and_the_rest_is_reported(project: Project):
    project.made(RESPONSES, hydra=ASKED)
    before = pd.read_parquet(project.folder / RESPONSES)
    assert "thinking" not in before
    marker = closing(before)
    named = f'method.aligned.prompt.thinking={{opening:"<think>",closing:{marker}}}'
    result = project.run(*TARGETS, hydra=(*ASKED, named))
    assert result.returncode == 0, result.stdout[-4000:]
    rows = pd.read_parquet(project.folder / RESPONSES)
    pd.testing.assert_series_equal(rows["token_ids"], before["token_ids"])  # from the store: nothing was decoded again
    silent = set(rows["id"][unanswered(rows)])
    assert 0 < len(silent) < len(rows)
    assert f"{len(silent)} of {len(rows)} responses have no answer after their thinking" in result.stdout
    for text, thought, answer in zip(before["text"], rows["thinking"], rows["text"], strict=True):
        assert text == thought if marker not in text else text.startswith(thought)
        assert thought + text[len(thought) :] == text
        assert text[len(thought) :].lstrip() == answer

    results = project.folder / "results"
    judged = pd.read_parquet(results / "judgments/tiny/tiny/deep/aligned.parquet")
    assert set(judged["id"][judged["unscored"] == NO_ANSWER]) == silent
    assert judged["score"].isna().equals(judged["id"].isin(silent))
    column = pd.read_parquet(results / "columns/tiny/deep/zero_shot/thinking.parquet")
    counted = column.groupby("example_id", observed=True)["thinking"].agg(["sum", "size"])
    assert counted["sum"].to_dict() == rows.set_index("id")["thinking_tokens"].to_dict()
    assert counted["size"].to_dict() == rows.set_index("id")["token_ids"].map(len).to_dict()
    assert "thinking" in (results / "tables/thinking.md").read_text()
    assert "no answer, %" in (results / "tables/responses.md").read_text()
    pages = sorted((results / "browser/pairs/deep").glob("*.html"))
    shown = [json.loads(re.search(r'id="data">(.*?)</script>', page.read_text())[1])["thinking"] for page in pages]
    assert shown == rows["thinking_tokens"].tolist()
