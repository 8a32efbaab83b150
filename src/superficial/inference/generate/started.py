"""The engine whose server this job starts for its model: vLLM, or what the configuration's command starts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.artifacts.shard import Shard
from superficial.config.schema.server import ServerEngine
from superficial.inference.generate.answer import Answer, GreedyDecoding
from superficial.inference.generate.remote import RemoteEngine
from superficial.inference.server.own import OwnServer
from superficial.inference.server.way import Way
from superficial.prompts.builder import Prompt
from superficial.prompts.requirements import check_length


class OwnServerEngine(RemoteEngine):
    """Starts its server when the first answer is missing; engines of several methods may share one."""

    def __init__(
        self,
        own: OwnServer,
        model: Path,
        greedy: GreedyDecoding,
        results: Path,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        """`model` is the manifest of the model that `own` serves."""
        self.own = own
        super().__init__(own.config, model, greedy, results, told, f"engine {own.who}")

    def answer(self, prompts: Mapping[str, Prompt]) -> dict[str, Answer]:
        """Every prompt is checked against the model's length before anything is started."""
        self._check(prompts)
        return super().answer(prompts)

    def share(self, prompts: Mapping[str, Prompt], shard: Shard) -> None:
        """A server of its own for every shard."""
        self._check(prompts)
        super().share(prompts, shard)

    def go_on(self, prompts: Mapping[str, Sequence[int]]) -> dict[str, Answer]:
        """What follows given token ids, which no text stands for; a UserError where the server does not take ids."""
        asked = {key: Prompt("", list(ids), []) for key, ids in prompts.items()}
        self._check(asked)
        if asked and self._find_way(asked) is not Way.IDS:
            raise UserError(
                "the server takes no token ids, so that no model can go on from given ones", where=self._who,
                remedy="ask for figures without prefill and handoff, or take engine=vllm or engine=transformers",
            )  # fmt: skip
        return self.answer(asked)

    def facts(self) -> dict[str, Any]:
        """Who answered, in what numbers, and whether it told the tokens."""
        own = {"engine": self.own.version, "dtype": self.own.dtype, "batch_invariant": self.own.invariant}
        return own | {name: value for name, value in super().facts().items() if name != "server"}

    def close(self) -> None:
        """End the server."""
        self.own.close()

    def _check(self, prompts: Mapping[str, Prompt]) -> None:
        for example, prompt in prompts.items():
            tokens = len(prompt.ids) + self._greedy.max_new_tokens
            check_length(self.own.loaded, tokens, example=example, what="prompt and response")

    def _reach(self, tokens: int) -> ServerEngine:
        return self.own.reach(tokens)

    def _told_of(self, error: UserError) -> UserError:
        try:
            self.own.check()
        except UserError as cause:
            return cause
        return error
