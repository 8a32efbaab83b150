"""The generate_together stage: one server answers what all methods of a model ask."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from superficial.artifacts.errors import UserError
from superficial.artifacts.job_log import say
from superficial.config.schema import GenerateStage, Runtime, StartedEngine, TogetherStage
from superficial.data.dialogue import history
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.stage import askable, converse
from superficial.inference.generate.started import OwnServerEngine
from superficial.inference.server.own import OwnServer
from superficial.models.load import LoadedModel, load_model
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.files import parts_of
from superficial.prompts.requirements import check_length

SAID = "Yes."  # stands for an answer that is not known yet


def run(
    cfg: TogetherStage,
    runtime: Runtime,
    *,
    model: Path,
    data: Path,
    prompt_files: Path | Sequence[Path] = (),
    results: Path,
) -> None:
    """Have the ledger hold every answer, so that the generate stage of each method starts no server.

    `prompt_files` are those of all methods, one method after the other. A method whose prompts cannot be made, or do
    not fit into the model, is left to its own job, which ends with that error; the others are answered.
    """
    assert isinstance(runtime.engine, StartedEngine)
    loaded = load_model(model, runtime.device)
    own = OwnServer(runtime.engine, loaded, model, results, runtime.device)
    files = iter([prompt_files] if isinstance(prompt_files, Path) else prompt_files)
    ready = []
    for name, one in cfg.methods.items():
        own_files = [next(files) for _ in parts_of(one.prompt)]
        try:
            queries, builder = askable(one, data), PromptBuilder.of(loaded, one.prompt, own_files)
            own.longest = max(own.longest, longest(one, queries, builder, loaded))
        except UserError as error:
            say(f"method {name} is left to its own job: {error}")
        else:
            ready.append((one, queries, builder))
    try:
        for one, queries, builder in ready:
            greedy = GreedyDecoding.of(one.prompt, one.decoding, one.max_new_tokens)
            converse(queries, builder, OwnServerEngine(own, model, greedy, results, one.prompt.chat_template_kwargs))
    finally:
        own.close()


def longest(
    cfg: GenerateStage, queries: Mapping[str, Sequence[str]], builder: PromptBuilder, loaded: LoadedModel
) -> int:
    """Tokens of the longest sequence that may come; each earlier answer of a dialogue is taken for as long as allowed.

    A UserError where even the shortest answers leave no room in the model.
    """
    most = 0
    for example, turns in queries.items():
        before = history(turns[:-1], [SAID] * (len(turns) - 1))
        tokens = len(builder.build(turns[-1], example=example, history=before).ids) + cfg.max_new_tokens
        check_length(loaded, tokens, example=example, what="prompt and response")
        most = max(most, tokens + len(before) * cfg.max_new_tokens)
    return most
