"""What judging takes: a model here that reads, or requests to a server and their price."""

from pathlib import Path

import yaml

from superficial.config.schema.judge import LocalJudge, ServerJudge
from superficial.config.schema.server import ServerConfig
from superficial.inference.server.budget import TOKENS_PER_CHARACTER, TOKENS_PER_SECOND
from superficial.judging.judges.aspects import ASPECTS, compared
from superficial.pipeline.plan.models import ModelWork
from superficial.pipeline.plan.sizes import Sizes
from superficial.pipeline.plan.work import PlannedWork
from superficial.pipeline.slices.judging import comparisons

LEAD = 12  # tokens with which a local judge's turn begins
JUDGMENT = 400  # bytes of a row


class JudgeWork:
    """Work of the stages that ask a judge, and of servers that answer in place of a model."""

    def __init__(self, sizes: Sizes, models: ModelWork) -> None:
        self._sizes, self._run, self._models = sizes, sizes.run, models

    def judge(self, judge: str, model: str, method: str) -> PlannedWork:
        """Every response of a system, once."""
        asked = self._sizes.instructions
        return self._asked(judge, asked.regular, asked.safety, self._sizes.answer(model, method).mean)

    def swapped(self, judge: str) -> PlannedWork:
        """Every response of the causal test, once; equal texts are read once, so it may be less."""
        cfg = self._run.settings.causal
        regular, safety = self._drawn(cfg.examples)
        return self._asked(judge, cfg.count * regular, cfg.count * safety, cfg.max_new_tokens)

    def canaries(self, judge: str, model: str, method: str) -> PlannedWork:
        """Some responses again: repeated, with one more line break, and with each of the sentences."""
        cfg = self._run.settings.canaries
        sentences = yaml.safe_load(Path(cfg.file).read_text(encoding="utf-8"))
        regular, safety = self._drawn(cfg.examples)
        times, answer = len(sentences) + 2, self._sizes.answer(model, method).mean
        return self._asked(judge, times * regular, times * safety, answer)

    def pairwise(self, judge: str, comparison: str) -> PlannedWork:
        """Two responses at a time, in both orders."""
        found = comparisons(self._run)[comparison]
        sides = [side.name.split(".", 1) for side in (found.a, found.b)]
        answers = sum(self._sizes.answer(model, method).mean for model, method in sides)
        regular, safety = self._drawn(self._run.settings.pairwise.examples)
        return self._asked(judge, 2 * regular, 2 * safety, answers, paired=True)

    def served(self, model: str, method: str, server: ServerConfig) -> PlannedWork:
        """A server answers every query of the dataset."""
        prompt, answer = self._sizes.prompt(method, model).mean, self._sizes.answer(model, method).mean
        return requested(server, self._sizes.instructions.queries, prompt, answer)

    def _drawn(self, examples: int | None) -> tuple[int, int]:
        """Instructions of each category among `examples`: as many regular ones as possible, because they cost more."""
        asked = self._sizes.instructions
        count = asked.count if examples is None else min(examples, asked.count)
        return min(count, asked.regular), count - min(count, asked.regular)

    def _asked(self, name: str, regular: int, safety: int, answers: float, *, paired: bool = False) -> PlannedWork:
        judge, found = self._run.judge(name), PlannedWork()
        if not isinstance(judge, LocalJudge | ServerJudge):
            return found
        kinds = ("pairwise_regular", "pairwise_safety") if paired else ("regular", "safety")
        for category, kind, items in zip(("regular", "safety"), kinds, (regular, safety), strict=True):
            if not items:
                continue
            aspects = len(compared(category) if paired else ASPECTS[category])
            characters = Path(getattr(judge.prompt_files, kind)).stat().st_size + self._sizes.instructions.characters
            if isinstance(judge, LocalJudge):
                tokens = self._sizes.tokens(characters, judge.model) + answers
                logits = aspects * self._sizes.tokens(4 * LEAD, judge.model)
                found += self._models.read_prompts(judge.model, items, tokens + logits, logits)
                if judge.max_tokens:
                    found += self._models.read_prompts(judge.model, items * aspects, tokens, 0, judge.max_tokens)
            else:
                prompt = characters * TOKENS_PER_CHARACTER + answers
                repair = Path(judge.repair).stat().st_size * TOKENS_PER_CHARACTER + prompt + judge.max_tokens
                found += requested(judge, items, prompt, judge.max_tokens)
                found += PlannedWork(repairs=items, usd=requested(judge, items, repair, judge.max_tokens).usd)
            found += PlannedWork(disk=items * aspects * JUDGMENT)
        return found


def requested(server: ServerConfig, requests: int, prompt: float, completion: float) -> PlannedWork:
    """So many requests, with tokens of each; retries are not counted."""
    price = server.price
    usd = requests * (prompt * price.prompt + completion * price.completion) / 1e6 if price else 0.0
    seconds = requests * completion / TOKENS_PER_SECOND / min(server.concurrency, max(requests, 1))
    return PlannedWork(
        read=requests * prompt, made=requests * completion, requests=requests, usd=usd, seconds=3 + seconds
    )
