"""A local judge: it does not write its scores, they are read from the probabilities of what it would write next."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import DynamicCache

from superficial.artifacts.errors import UserError
from superficial.inference.room import Halving
from superficial.judging.judges.rubric import Rubric
from superficial.models.head import LMHead, check_finite, model_body, own_head, states_and_logits
from superficial.models.load import LoadedModel
from superficial.prompts.chat import render
from superficial.prompts.requirements import one_bos, require_chat_template

PROBE = "7"  # fills the slots where the tokens that all prompts of a rubric share are looked for


@dataclass(frozen=True)
class Question:
    """How the judge's turn begins for one aspect, and the token of each answer that it may go on with."""

    lead: list[int]
    options: list[int]


@dataclass(frozen=True)
class AnswerProbabilities:
    """What the judge would write after one question."""

    shares: list[float]  # of the options among themselves, in their order
    mass: float  # of the options together, over the whole vocabulary

    @property
    def best(self) -> int:
        """Index of the most probable option; of equals the first."""
        return self.shares.index(max(self.shares))


class ProbabilityReader:
    """A transformers model that reads one rubric.

    Prompts are read one at a time: a few hundred tokens fill the processor, and without padding or neighbours a reading
    depends on its own prompt alone. What all prompts share at their start is read once; the questions of one prompt go
    together, each in a row of its own, so that no aspect sees the score of another. Where a card has no room for all of
    them, they go in halves, after the prompt is read again.
    """

    def __init__(self, loaded: LoadedModel, rubric: Rubric, day: date | None = None) -> None:
        """`day`: what the judge's chat template is told if it asks for the date."""
        require_chat_template(loaded.tokenizer, loaded.manifest["name"])
        self._loaded, self._rubric, self._day = loaded, rubric, day
        self._head: LMHead | None = None  # its logits are not rounded; found when the first text is read
        self._checked = False
        self._halving = Halving(loaded.manifest["name"], row="question")
        added = loaded.tokenizer.added_tokens_decoder.values()
        self._specials = sorted(str(token) for token in added if token.special)
        slots = ("instruction", "response", "response_a", "response_b")
        probes = [self._ids(dict.fromkeys(slots, text)) for text in ("a", PROBE)]
        self._shared = _common_start(probes[0], probes[1])
        self._cache = self._read(self._shared, DynamicCache(config=loaded.model.config)) if self._shared else None

    def prompt(self, values: Mapping[str, str]) -> str:
        """The filled rubric, as the user's message."""
        return self._rubric.fill(values, self._specials)

    def readings(
        self, name: str, values: Mapping[str, str], questions: Sequence[Question]
    ) -> list[AnswerProbabilities]:
        """What the judge would answer to each question about `values`; a UserError if item `name` is too long."""
        ids = self._ids(values)
        longest = max(len(question.lead) for question in questions)
        tokens, most = len(ids) + longest, self._loaded.max_length
        if tokens > most:
            raise UserError(
                f"the prompt has {tokens} tokens, and the judge has positions for {most}",
                where=f"judge {self._loaded.manifest['name']}, item {name}",
                remedy="lower generate.max_new_tokens, or take a judge with more positions",
            )

        def work(part: list[int]) -> Iterator[tuple[int, AnswerProbabilities]]:
            yield from zip(part, self._answered(ids, [questions[row] for row in part]), strict=True)

        return [found for _, found in self._halving.each(work, list(range(len(questions))))]

    def _answered(self, ids: list[int], questions: Sequence[Question]) -> list[AnswerProbabilities]:
        """What the judge would answer to each question after the prompt `ids`."""
        longest = max(len(question.lead) for question in questions)
        cache = copy.deepcopy(self._cache)
        start = len(self._shared)
        if cache is None or ids[:start] != self._shared:
            cache, start = DynamicCache(config=self._loaded.model.config), 0
        cache = self._read(ids[start:], cache)
        cache.batch_repeat_interleave(len(questions))
        # Right padding is never looked at: what is read stands before it.
        rows = [question.lead + question.lead[-1:] * (longest - len(question.lead)) for question in questions]
        logits = self._logits(rows, [len(question.lead) - 1 for question in questions], cache)
        return [_reading(one, question) for one, question in zip(logits, questions, strict=True)]

    def reason(self, values: Mapping[str, str], question: Question, chosen: int, max_tokens: int) -> str:
        """What the judge goes on to write, greedily, after its answer and "because"."""
        because = self._loaded.tokenizer(" because", add_special_tokens=False).input_ids
        prompt = [*self._ids(values), *question.lead, question.options[chosen], *because]
        ids = self._tensor([prompt])
        with torch.inference_mode():
            output = self._loaded.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_tokens, do_sample=False,
                num_beams=1, eos_token_id=self._loaded.end_ids, pad_token_id=self._loaded.end_ids[0],
            )  # fmt: skip
        text = self._loaded.tokenizer.decode(output[0, len(prompt) :], skip_special_tokens=True)
        return str(text).strip().split("\n")[0]

    def _ids(self, values: Mapping[str, str]) -> list[int]:
        tokenizer = self._loaded.tokenizer
        message = [{"role": "user", "content": self.prompt(values)}]
        text = render(tokenizer, message, self._day)
        return one_bos(tokenizer, tokenizer(text, add_special_tokens=False).input_ids)

    @torch.inference_mode()
    def _logits(self, rows: list[list[int]], columns: list[int], cache: Any) -> torch.Tensor:
        """float32 logits (B, V) after column `columns[i]` of row i, all of them read behind the `cache`."""
        asked = {"input_ids": self._tensor(rows), "past_key_values": cache, "use_cache": True}
        if self._head is None:  # this model's head does more than a product
            own: torch.Tensor = self._loaded.model(**asked).logits
            return own[range(len(rows)), columns].float()
        states = model_body(self._loaded.model)(**asked).last_hidden_state[range(len(rows)), columns]
        return self._head.logits(states.to(self._head.weight.device))

    @torch.inference_mode()
    def _read(self, ids: list[int], cache: Any) -> Any:
        asked = {"input_ids": self._tensor([ids]), "past_key_values": cache, "use_cache": True}
        if self._checked:
            model_body(self._loaded.model)(**asked)
        else:
            states, own = states_and_logits(self._loaded.model, **asked)
            check_finite(states[:, -1], own[:, -1], self._loaded.manifest["name"])
            self._head, self._checked = own_head(self._loaded.model, states[:, -1], own[:, -1]), True
        return cache

    def _tensor(self, rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor(rows, device=self._loaded.device)


def read_questions(path: Path, loaded: LoadedModel, kind: str, aspects: Sequence[str]) -> list[Question]:
    """The questions of `kind` ("scores": 1 to 5, "choices": A or B), one an aspect."""
    leads: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))[kind]
    options = "12345" if kind == "scores" else "AB"
    return [_question(loaded, leads[aspect], options, where=f"{path}, key {kind}.{aspect}") for aspect in aspects]


def _question(loaded: LoadedModel, lead: str, options: str, where: str) -> Question:
    """Refuses a tokenizer that does not write each option as one token after the same others."""
    written = [loaded.tokenizer(lead + option, add_special_tokens=False).input_ids for option in options]
    before = {tuple(ids[:-1]) for ids in written}
    if len(before) != 1 or len({ids[-1] for ids in written}) != len(options):
        raise UserError(
            f"the judge {loaded.manifest['name']} does not write each of {', '.join(options)} as one token here",
            where=where,
            remedy="end the question with a space, or without one",
        )
    return Question(list(before.pop()), [ids[-1] for ids in written])


def _reading(logits: torch.Tensor, question: Question) -> AnswerProbabilities:
    logs = logits.log_softmax(dim=-1)[question.options].double()
    mass = logs.exp().sum()
    # Six digits: what the last bits of a float say is not the judge's opinion.
    shares = [round(share, 6) for share in logs.softmax(dim=-1).tolist()]
    return AnswerProbabilities(shares, round(float(mass), 6))


def _common_start(one: Sequence[int], other: Sequence[int]) -> list[int]:
    length = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    return list(one[:length])
