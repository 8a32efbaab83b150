"""What the stages take that run a model here."""

from math import ceil

from superficial.config.schema import HubSource, LocalSource
from superficial.pipeline.plan import flops
from superficial.pipeline.plan.machine import Machine
from superficial.pipeline.plan.sizes import CHAT_TEMPLATE, Sizes
from superficial.pipeline.plan.work import PlannedWork

ROW = 80  # bytes of a row of the token table, and for each of its candidates on either side
CANDIDATE = 10
REPORTED = 5  # three prompts on two halves, one of which the search has seen
TOKEN = 6  # bytes of a token in a table of responses, its text included
PYPI_SECONDS = 90  # unpacking and converting a packed model of 270M parameters; the download is not timed


class ModelWork:
    """Work of one stage after the other, in the terms of `machine`."""

    def __init__(self, sizes: Sizes, machine: Machine) -> None:
        self._sizes, self._run, self._machine = sizes, sizes.run, machine

    def width(self, model: str) -> int:
        """Bytes a weight takes in memory."""
        dtype = self._run.model(model).dtype
        return {"auto": self._machine.width, "float32": 4}.get(dtype, 2)

    def weights(self, model: str) -> float:
        """Bytes of all weights in memory."""
        return float(self._sizes.architecture(model).parameters * self.width(model))

    def fetch(self, model: str) -> PlannedWork:
        """The model stage. Files of the hub lie on the disk once, as they are; what is converted here is float32."""
        parameters, source = self._sizes.architecture(model).parameters, self._run.model(model).source
        if isinstance(source, LocalSource):
            return PlannedWork(seconds=3)
        width = 2 if isinstance(source, HubSource) else 4
        scale = parameters / 268e6
        return PlannedWork(disk=parameters * width, seconds=3 + (PYPI_SECONDS * scale if source.kind == "pypi" else 0))

    def generate(self, model: str, method: str) -> PlannedWork:
        """Greedy decoding of every query; what prompts share is read once (inference/generate/decode.py)."""
        asked = self._sizes.instructions
        prompt, answer = self._sizes.prompt(method, model), self._sizes.answer(model, method)
        shared = min(self._sizes.shared(method, model), prompt.mean)
        longest = answer.mean if not answer.finished else self._run.settings.generate.max_new_tokens
        found = self._decoded(model, asked.queries, shared, prompt.mean, answer.mean, longest)
        tokens = asked.count * (prompt.mean + answer.mean)
        return found + PlannedWork(disk=tokens * TOKEN, seconds=self._machine.starting(self.weights(model)))

    def handoff(self, pair: str) -> PlannedWork:
        """The base goes on from each of the prefixes of the first responses."""
        base, aligned = self._run.pairs[pair].base.name, self._run.pairs[pair].aligned.name
        cfg, context = self._run.settings.handoff, self._run.settings.context.name
        examples = min(cfg.examples or self._sizes.instructions.regular, self._sizes.instructions.regular)
        answer = self._sizes.answer(aligned, self._run.settings.response.name).mean
        prompt, found = self._sizes.prompt(context, base).mean, PlannedWork()
        for prefix in cfg.prefixes:
            read = prompt + min(prefix, answer)
            found += self._decoded(base, examples, 0, read, cfg.max_new_tokens, cfg.max_new_tokens)
        return found + PlannedWork(seconds=self._machine.starting(self.weights(base)))

    def prefill(self, pair: str, side: str, seen: str) -> PlannedWork:
        """One of the pair goes on from every opening; with nothing given, from one of them."""
        cfg, model = self._run.settings.prefill, getattr(self._run.pairs[pair], side).name
        given = [k for k in cfg.prefixes if k for _ in cfg.openings] + [0] * (0 in cfg.prefixes)
        prompt, asked = self._sizes.prompt(seen, model).mean, self._sizes.instructions.safety * len(given)
        read = prompt + sum(given) / len(given)
        found = self._decoded(model, asked, 0, read, cfg.max_new_tokens, cfg.max_new_tokens)
        return found + PlannedWork(seconds=self._machine.starting(self.weights(model)))

    def causal(self, pair: str) -> PlannedWork:
        """Both models decode every variant; where variants agree, or do without one of the two, it is less."""
        cfg, sides, count = self._run.settings.causal, self._run.pairs[pair], self._sizes.instructions.count
        asked, found = cfg.count * min(cfg.examples or count, count), PlannedWork()
        for model, method in (
            (sides.base.name, self._run.settings.context.name),
            (sides.aligned.name, self._run.settings.response.name),
        ):
            prompt = self._sizes.prompt(method, model).mean
            found += self._decoded(model, asked, 0, prompt, cfg.max_new_tokens, cfg.max_new_tokens)
            found += PlannedWork(seconds=self._machine.starting(self.weights(model)))
        return found

    def prompt_search(self, pair: str) -> PlannedWork:
        """Every candidate of every step on half of the responses, five times a half for the report; then both heads."""
        cfg, sides = self._run.settings.search, self._run.pairs[pair]
        (base, answer, count), size = self._responses(pair, "base"), self._sizes.architecture(sides.base.name)
        pool, half = self._sizes.pool(cfg.method, base), ceil(min(cfg.examples or count, count) / 2)
        candidates = sum(len(pool) - step for step in range(cfg.k))
        whole = self._sizes.shared(cfg.method, base) + cfg.k * max(
            pool, default=0
        )  # longer than any prompt's beginning
        own = self._sizes.tokens(self._sizes.instructions.characters + CHAT_TEMPLATE, base)
        counted = min(answer, cfg.max_positions or answer)
        read, work, tokens = whole + cfg.k * sum(pool), flops.reading(size, 0, whole), 0.0
        work += cfg.k * sum(flops.reading(size, whole - one, whole) for one in pool)
        for times, length, first in ((candidates, counted, 0.0), (REPORTED, answer, whole)):
            read += times * (first + half * (own + length))
            work += times * (flops.reading(size, 0, first) + half * flops.reading(size, whole, whole + own + length))
            tokens += times * half * length
        both = [self._sizes.architecture(side.name) for side in (sides.base, sides.aligned)]
        work += sum(flops.logits(one, tokens) for one in both)
        passes = ceil(read / self._run.settings.runtime.score_tokens)
        seconds = self._machine.reading(work, passes * self.weights(base))
        seconds += sum(self._machine.starting(self.weights(side.name)) for side in (sides.base, sides.aligned))
        return PlannedWork(read=read, flops=work, seconds=seconds)

    def score(self, pair: str, side: str, seen: str) -> PlannedWork:
        """One teacher-forced pass without the LM head; the final hidden states are what stays."""
        model, answer, count = self._responses(pair, side)
        size, context = self._sizes.architecture(model), self._sizes.prompt(seen, model).mean
        work, read = count * flops.reading(size, 0, context + answer), count * (context + answer)
        passes = ceil(read / self._run.settings.runtime.score_tokens)
        seconds = self._machine.reading(work, passes * self.weights(model))
        disk = count * answer * size.hidden * self.width(model)
        seconds += self._machine.starting(self.weights(model))
        return PlannedWork(read=read, flops=work, disk=disk, seconds=seconds)

    def compare(self, pair: str, contexts: int = 1) -> PlannedWork:
        """The heads of both sides over every response token, the base's once for each context."""
        work, seconds, tokens = 0.0, 0.0, 0.0
        for side, times in (("base", contexts), ("aligned", 1)):
            model, answer, count = self._responses(pair, side)
            tokens = count * answer
            work += times * flops.logits(self._sizes.architecture(model), tokens)
            seconds += self._machine.starting(self.weights(model))
        disk = tokens * (ROW + 2 * CANDIDATE * self._run.settings.compare.top_k)
        return PlannedWork(flops=work, disk=disk, seconds=seconds + self._machine.reading(work, 0))

    def spans(self, pair: str) -> PlannedWork:
        """Both models score the same text; the base is taken to split it into as many tokens as the aligned model."""
        settings = self._run.settings
        found = self.score(pair, "base", settings.context.name) + self.score(pair, "aligned", settings.response.name)
        return found + self.compare(pair)

    def read_prompts(self, model: str, prompts: float, tokens: float, logits: float, made: float = 0) -> PlannedWork:
        """A judge that reads so many prompts one by one, with `logits` positions of each scored; `made`: reasons."""
        size = self._sizes.architecture(model)
        work = prompts * (flops.reading(size, 0, tokens) + flops.logits(size, logits))
        moved = prompts * 2 * self.weights(model)  # the prompt, then its questions
        seconds = self._machine.reading(work, moved) + self._machine.starting(self.weights(model))
        found = PlannedWork(read=prompts * tokens, flops=work, seconds=seconds)
        return found + self._decoded(model, prompts, 0, tokens, made, made, batch=1) if made else found

    def _decoded(
        self, model: str, prompts: float, shared: float, prompt: float, made: float, longest: float, batch: int = 0
    ) -> PlannedWork:
        """`made` tokens after each of `prompts` prompts; a batch of them goes on for `longest` passes."""
        size, weights = self._sizes.architecture(model), self.weights(model)
        read = flops.reading(size, 0, shared) + prompts * flops.reading(size, shared, prompt)
        batches = ceil(prompts / (batch or self._run.settings.runtime.generate_batch))
        decode = prompts * (flops.reading(size, prompt, prompt + made) + flops.logits(size, made))
        cache = prompts * made * (prompt + made / 2) * flops.cache_bytes(size, self.width(model))
        seconds = self._machine.reading(read, (batches + 1) * weights)
        seconds += self._machine.decoding(decode, batches * longest * weights + cache)
        tokens = shared + prompts * (prompt - shared)
        return PlannedWork(read=tokens, made=prompts * made, flops=read + decode, seconds=seconds)

    def _responses(self, pair: str, side: str) -> tuple[str, float, int]:
        """The model of a side, and the aligned model's responses: tokens of one, how many."""
        sides = self._run.with_stages[pair]
        answer = self._sizes.answer(sides.aligned.name, self._run.settings.response.name).mean
        return getattr(sides, side).name, answer, self._sizes.instructions.count

    def memory(self, model: str, batch: int | None = None) -> float:
        """Bytes that the model takes at most: weights, then a batch of decoding or a chunk of the comparison."""
        size, runtime = self._sizes.architecture(model), self._run.settings.runtime
        batch = batch or min(runtime.generate_batch, self._sizes.instructions.count)
        # The other side's head is held beside this model, and about four blocks of float32 logits.
        comparing = size.vocabulary * (size.hidden * self.width(model) + 4 * 4 * runtime.position_chunk)
        return self.weights(model) + max(batch * self._row(model), comparing)

    def largest_batch(self, model: str, room: float) -> int:
        """Answers that can be decoded together in so many bytes; 0 where the weights alone are too much."""
        fits = self.memory(model, batch=1) <= room
        return int((room - self.weights(model)) // self._row(model)) if fits else 0

    def _row(self, model: str) -> float:
        """Bytes of one answer while it is decoded: keys, values, and about three rows of float32 logits."""
        size = self._sizes.architecture(model)
        length = self._longest_prompt(model) + self._run.settings.generate.max_new_tokens
        return length * flops.cache_bytes(size, self.width(model)) + 3 * size.vocabulary * 4

    def _longest_prompt(self, model: str) -> float:
        methods = [method for name, method in self._run.systems if name == model]
        return max((self._sizes.prompt(method, model).mean for method in methods), default=0.0)
