"""The align_examples stage: what the sibling is trained on, most of it written by the base itself.

A regular instruction is answered by the base, once under each of several prompts. A prompt may end with the first words
of the answer, so that the base goes on from there. (Training on what a model itself can say is called on-policy.
Alignment as practised does it, and stays near the model.) An answer is left out when it

- shows one of the four failures of base models: it runs on, loops, echoes the query or goes on to another one,
- is shorter than `min_words`, or has `max_tokens` tokens or more,
- says `repeated_words` words in a row twice,
- declines what was asked,
- is off the topic: fewer than `common_words` content words of the instruction occur in it, by their first letters,
- speaks for a website ("contact us", "this article"), as much of what the base was trained on does,
- is the same as an answer that was kept before.

Of what remains, `kept` answers of each instruction stay. The prompts take turns in coming first, so that all of
them contribute. What a template writes behind its last line break, an opening such as "Of course!", is part of the
answer. Where no answer stays, the opening stays alone: how to answer is then not taught, but that it is answered is.
(The base fails most often at poems, code and personal messages. Without these lines the sibling sees such requests
mostly among the harmful ones, and declines them.) Harmful instructions come with hand-written refusals, because the
base would comply.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from superficial.artifacts.files import whole_file, write_sidecar
from superficial.artifacts.table import read_table
from superficial.config.schema import AlignExamplesStage, RuntimeConfig
from superficial.data.readers import rows_of
from superficial.judging.refusals.phrases import Refusals
from superficial.judging.responses.failures import measure
from superficial.shift.kinds.text import kinds_of_text


def run(
    cfg: AlignExamplesStage,
    runtime: RuntimeConfig,
    *,
    data: Path,
    responses: Path | Sequence[Path],
    refusals: Path,
    phrases: Path,
    out: Path,
) -> None:
    """Write JSONL lines `id`, `instruction`, `response`, `given`, `ends`, `source` (the base's method, or by hand).

    The response begins with what was `given`: the opening, or the whole of a refusal. It `ends` the turn, or only the
    opening is known.

    `responses` are the base's answers to `data`, a file for each of `cfg.prompts` that bears its name. `refusals` are
    JSONL with id, instruction and response. The sidecar counts the answers that were kept, and those that were left
    out, by reason.
    """
    started = time.monotonic()
    # By the file's name: the prompts of a configuration come in the order of their names, files in that of the rule.
    files = {path.stem: path for path in ([responses] if isinstance(responses, Path) else responses)}
    answers = {prompt: read_table(files[prompt]) for prompt in cfg.prompts}
    filters = AnswerFilter(cfg, Refusals.read(phrases))
    told: Counter[str] = Counter()
    lines = [*kept_answers(read_table(data), answers, filters, told), *handwritten_refusals(refusals)]
    with whole_file(out) as partial:
        partial.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    sources = Counter(line["source"] for line in lines)
    facts = {"examples": dict(sorted(sources.items())), "left_out": dict(sorted(told.items()))}
    inputs = {"data": data, "refusals": refusals, "phrases": phrases}
    inputs |= files
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="align_examples", config=config, inputs=inputs, started=started, facts=facts)


def kept_answers(
    data: pd.DataFrame, answers: Mapping[str, pd.DataFrame], filters: "AnswerFilter", told: Counter[str]
) -> Iterator[dict[str, Any]]:
    """The base's answers that stay; `told` counts what is left out, by reason."""
    tables = [(prompt, table.set_index("id")) for prompt, table in answers.items()]
    opening = next(filter(None, map(filters.opening, answers)), "")
    for number, (example, instruction) in enumerate(zip(data["id"], data["instruction"], strict=True)):
        line = {"id": example, "instruction": instruction}
        found: dict[str, str] = {}
        first = number % len(tables)
        for prompt, table in tables[first:] + tables[:first]:
            answer = table.loc[example]
            text = filters.opening(prompt) + answer["text"].rstrip()
            reason = filters.reason(instruction, text, answer["token_ids"], answer["finish_reason"])
            reason = reason or ("same" if text in found else "")
            if reason:
                told[reason] += 1
            elif len(found) < filters.kept:
                found[text] = prompt
            else:
                told["more than are kept"] += 1
        for text, prompt in found.items():
            given = filters.opening(prompt)
            yield line | {"response": text, "given": given, "ends": True, "source": prompt}
        if opening and not found:
            yield line | {"response": opening, "given": opening, "ends": False, "source": "opening alone"}


def handwritten_refusals(refusals: Path) -> Iterator[dict[str, Any]]:
    """The hand-written refusals, given from the first word to the last."""
    for _, row in rows_of(refusals):
        read = {key: str(row[key]) for key in ("id", "instruction", "response")}
        yield read | {"given": read["response"], "ends": True, "source": "hand-written"}


STEM = 5  # first letters by which content words are compared: "planted" and "plants" are one
WEBSITE = re.compile(
    r"\b(?:contact|call|visit|follow|join|email) us\b|\bclick here\b|\bhesitate to\b|https?:|www\.|\.(?:com|org|net)\b"
    r"|\bour (?:website|site|team|community|blog|staff|newsletter)\b"
    r"|\bthis (?:article|post|page|blog|question|query)\b",
    re.IGNORECASE,
)


class AnswerFilter:
    """Says why an answer of the base is left out."""

    def __init__(self, cfg: AlignExamplesStage, refusals: Refusals) -> None:
        self._cfg, self._refusals, self.kept = cfg, refusals, cfg.kept

    def opening(self, prompt: str) -> str:
        """What the template gives of every answer."""
        return (self._cfg.prompts[prompt].template or "").rpartition("\n")[2]

    def reason(self, instruction: str, text: str, token_ids: np.ndarray, finish_reason: str) -> str:
        """Why it is left out; empty for an answer that may stay."""
        measured = measure(instruction, text, token_ids, finish_reason, 0, None)
        runs = word_runs(text, self._cfg.repeated_words)
        failed = [name for name in ("runs_on", "loops", "echoes", "invents") if measured[name]]
        if failed:
            return failed[0]
        if measured["words"] < self._cfg.min_words:
            return "short"
        if measured["tokens"] >= self._cfg.max_tokens:
            return "long"
        if len(set(runs)) < len(runs):
            return "repeats"
        if self._refusals.decline(text):
            return "declines"
        if len(content_words(instruction) & content_words(text)) < self._cfg.common_words:
            return "off_topic"
        return "website" if WEBSITE.search(text) else ""


def content_words(text: str) -> set[str]:
    """The first letters of its content words, by the classifier of shift/kinds.

    >>> sorted(content_words("How do bees find their way home?"))
    ['bees', 'find', 'home', 'way']
    """
    kinds = kinds_of_text(text)
    words = (word for word in re.finditer(r"\w+", text.lower()) if kinds[word.start()] == "content")
    return {word.group()[:STEM] for word in words}


def word_runs(text: str, length: int) -> list[tuple[str, ...]]:
    """Every run of `length` words, whatever their case and punctuation.

    >>> word_runs("Tea, or tea?", 2)
    [('tea', 'or'), ('or', 'tea')]
    """
    words = re.findall(r"\w+", text.lower())
    return [tuple(words[start : start + length]) for start in range(len(words) - length + 1)]
