"""Where an answer ends: decided on text, never undone by what follows."""

import random

import pytest
from support.tiny import make_tokenizer

from superficial.config.schema import DecodingConfig, PromptConfig
from superficial.inference.finish_reason import EOS, LENGTH, STOP
from superficial.inference.generate.answer import Answer, GreedyDecoding, UnfinishedAnswer
from superficial.inference.generate.stop import cut_answer, cut_by_rule, stop_rule

NEXT = "\n\n# Query:\n```And then?```\n\n# Answer:\n```\nMore"
CODE = "```python\nfor x in y:\n    # Query: not one\n\n    print(x)\n```"
CLOSED = {
    "plain": ("Every one of them.", "\n```" + NEXT),
    "fence on the line": ("Every one of them.", "```" + NEXT),
    "fence and spaces": ("Every one.", "\n```  \n\n"),
    "windows newlines": ("Every one.\r\nAll.", "\r\n```\r\n\r\n# Query:\r\n"),
    "windows newlines, header": ("Every one.", "\r\n\r\n# Query:\r\n"),
    "windows newlines, code": ("See:\r\n```sh\r\nls\r\n```\r\nDone.", "\r\n```\r\n\r\n"),
    "blank line with spaces": ("Every one.", "\n```\n   \nText"),
    "header right after": ("Every one.", "\n```\n# Query:\nText"),
    "no fence, header": ("Every one.", NEXT),
    "header, nothing else": ("Every one.", "\n# Query:"),
    "longer fence": ("Every one.", "\n````\n\n"),
    "code, then text": (f"See:\n{CODE}\nDone.", "\n```" + NEXT),
    "code is last": (f"See:\n{CODE}", "\n```" + NEXT),
    "code, blank line": (f"See:\n\n{CODE}\n\nDone.", "```" + NEXT),
    "code without language": ("See:\n```\nx = 1\n```\nDone.", "\n```" + NEXT),
    "code in a list": ("1. See\n   ```sh\n   ls\n   ```\n2. Done", "\n```" + NEXT),
    "block in a block": ("```markdown\n```sh\nls\n```\ntext\n```\nDone.", "\n```\n\n"),
    "longer fence around fences": ("````markdown\n```python\nx\n```\n````\nDone.", "\n```" + NEXT),
    "longer fence around one fence": ("````\ntype\n```\nhere\n````\nDone.", "\n```" + NEXT),
    "longer fence around an open block": ("````text\n```python\nx\n````\nDone.", "\n```" + NEXT),
    "tildes": ("~~~python\nx = 1\n~~~\n\nDone.", "\n```" + NEXT),
    "tildes around a fence": ("~~~\n```sh\nls\n```\n~~~\nDone.", "\n```" + NEXT),
    "code behind text": ("Use: ```\nls\n```\nand go.", "\n```" + NEXT),
    "code in a list, on its line": ("- ```\n  ls\n  ```\n- done", "\n```" + NEXT),
    "code in a nested list": ("1. a\n   - b\n\n     ```\n     ls\n\n     cd\n     ```\n2. c", "\n```" + NEXT),
    "code first": ("```python\nx = 1\n```\nDone.", "\n```" + NEXT),
    "nothing but code": ("```\nx = 1\n```", "\n```" + NEXT),
    "language behind text": (f"See {CODE}\nDone.", "\n```" + NEXT),
    "fence behind the code": ("```python\nx = 1```\nDone.", "\n```\n\n"),
    "inline fences": ("Type ```ls``` or ```dir``` now, or ```ls```\nDone.", "\n```\n\n"),
    "header within a line": ("A line # Query: that goes on\n # Query: and this", "\n```\n\n"),
    "another header": ("# Answer\n## Query:\n# Query\n# query: x", "\n```\n\n"),
    "nothing": ("", "```" + NEXT),
    "nothing but a header": ("", "# Query:\n"),
    "blank lines before": ("Done.", "\n\n\n```\n\n"),
    "section after the fence": ("It is so.", "\n```\n# Explanation:\nBecause.\n```\n\n"),
    "numbered section": ("It is so.", "\n```\n### Question 1:\n```\nWhat?\n```\n\n"),
    "two fences": ("It is so.", "\n```\n```\nMore.\n```\n\n"),
    "code after the fence": ("It is so.", "\n```\n```python\nx = 1\n```\n\n"),
    "code that begins as a section": ("Do this:\n\n```\n# Install:\npip install x\n```\nDone.", "\n```\n\n"),
    "code with a comment": ("Do this.\n```\n# install it\npip install x\n```\nDone.", "\n```\n\n"),
    "an empty block": ("It prints:\n```\n```\nDone.", "\n```\n\n"),
    "a block at first": ("```\n# Install:\npip install x\n```\nDone.", "\n```\n\n"),
    "single backticks": ("`x` and ``y``", "\n```\n\n"),
}


@pytest.mark.parametrize("name", CLOSED)
def test_the_end_is_found(name: str):
    answer, rest = CLOSED[name]
    assert cut_answer(answer + rest) == (answer, True)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Done.\n```", "Done."),
        ("Done.```", "Done."),
        ("Done.\n```\n", "Done."),
        ("Done.\n```\n# Qu", "Done."),
        ("Done.\n```\n# Expl", "Done."),
    ],
)
def test_an_open_fence_closes_when_nothing_follows(text: str, answer: str):
    assert cut_answer(text) == (text, False)
    assert cut_answer(text, final=True) == (answer, True)


@pytest.mark.parametrize(
    "text", ["", "Every", "\n", f"See {CODE}\n", "See\n```python\nx = 1", "Done\n# Quer", "a ``", CODE]
)
def test_a_text_without_an_end_stays_whole(text: str):
    assert cut_answer(text) == cut_answer(text, final=True) == (text, False)


PARTS = ["```", "```python", "\n", "\n\n", "# Query:", "# Next:\n", "# Quer", "# ", "#", " ", "x", "every", "x = 1\n", "`", "``", ":", "é", "\r\n", "\t", "```\n", "````", "````md\n", "~~~\n", "\n```\n\n"]  # fmt: skip


def texts(count: int) -> list[str]:
    rng = random.Random(0)
    return ["".join(rng.choices(PARTS, k=rng.randint(1, 18))) for _ in range(count)]


def test_what_follows_never_undoes_a_decision():
    """3,000 random texts, character by character: the first prefix with an end has the end of the whole text."""
    ended = 0
    for text in texts(3000):
        whole = cut_answer(text)
        prefixes = [cut_answer(text[:length]) for length in range(len(text) + 1)]
        decided = [found for found in prefixes if found[1]]
        assert all(found == whole for found in decided), text
        assert bool(decided) == whole[1], text
        if whole[1]:
            assert cut_answer(text, final=True) == whole
            assert text.startswith(whole[0])
            ended += 1
    assert 500 < ended < 2500  # both cases do occur


class Words:
    """As much of a loaded model as a draft needs."""

    tokenizer = make_tokenizer(chat=False)
    end_ids = (1,)


def drafted(tokens: list[int], limit: int = 1000, rule: str = "fence") -> tuple[Answer | None, int]:
    """The answer that a draft makes of `tokens`, and after how many of them it was there."""
    draft = UnfinishedAnswer(Words, GreedyDecoding(limit, stop=rule))
    for at, token in enumerate(tokens, start=1):
        answer = draft.add(token, False)
        if answer:
            return answer, at
    return None, len(tokens)


def encoded(text: str) -> list[int]:
    return list(Words.tokenizer(text, add_special_tokens=False).input_ids)


def test_token_by_token_is_the_whole_text():
    """Random texts, and every case above, through a byte-level tokenizer that cuts "é" into two tokens."""
    for text in [*texts(1500), *(answer + rest for answer, rest in CLOSED.values())]:
        tokens = encoded(text)
        answer, used = drafted(tokens)
        cut, done = cut_answer(text)
        assert (answer is not None) == done, text
        if answer:
            assert (answer.text, answer.finish_reason, answer.token_ids) == (cut, STOP, tokens[:used])
            assert not cut_answer(Words.tokenizer.decode(tokens[: used - 1]))[1]  # no token too many


def test_the_limit_and_the_end_token_end_the_text_there():
    tokens = encoded("Every one.\n```")
    for more, limit, reason in (([], len(tokens), STOP), ([1], 100, EOS)):
        answer, _ = drafted([*tokens, *more], limit)
        assert answer == Answer([*tokens, *more], "Every one.", reason, 0)
    answer, _ = drafted(encoded("Every one."), 3)
    assert answer
    assert (len(answer.token_ids), answer.finish_reason) == (3, LENGTH)


def test_without_the_fence_rule_the_text_is_whole():
    draft = UnfinishedAnswer(Words, GreedyDecoding(100))
    found = [draft.add(token, tie) for tie, token in enumerate([*encoded("a\n```\n\n# Query:\n"), 1])]
    assert found[:-1] == [None] * (len(found) - 1)
    assert found[-1]
    assert (found[-1].text, found[-1].finish_reason) == ("a\n```\n\n# Query:\n", EOS)


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        ("# Query:\n```{instruction}```\n\n# Answer:\n```\n", "fence"),
        ("Q: {instruction}\nA: ", "Q:"),
        ("Below is a task.\n\n### Instruction:\n{instruction}\n\n### Response:\n", "### Instruction:"),
        ('Frage é\n"{instruction}"\n', "Frage é"),
        ("{instruction}\n", "end_of_turn"),
    ],
)
def test_answers_under_another_template_end_at_its_own_next_query(template: str, rule: str):
    """A template that opens no fence has none that closes; a base model goes on with what its examples begin with."""
    prompt = PromptConfig(kind="completion", template=template)
    assert stop_rule(prompt, DecodingConfig(stop="fence")) == rule
    assert stop_rule(prompt, DecodingConfig()) == "end_of_turn"
    decoded = f"One {rule} in a line.\nTwo.\n\n{rule} Next?"
    ended = rule not in ("fence", "end_of_turn")
    expected = f"One {rule} in a line.\nTwo." if ended else decoded
    assert cut_by_rule(decoded, rule) == (expected, ended)
    tokens = encoded(decoded)
    answer, used = drafted(tokens, rule=rule)
    assert (answer is not None) == ended
    if answer:
        assert (answer.text, answer.finish_reason) == (expected, STOP)
        assert not cut_by_rule(Words.tokenizer.decode(tokens[: used - 1]), rule)[1]  # no token too many
