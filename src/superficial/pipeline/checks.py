"""What must hold before any work: files are where the configuration says, and no model judges itself by accident."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from superficial.artifacts.errors import UserError
from superficial.config.custom_pair import check_custom
from superficial.config.experiment import Experiment
from superficial.config.schema import LoraSource, ModelConfig, ServerEngine, StartedEngine
from superficial.config.schema.judge import ImportedJudge, JudgeConfig, LocalJudge, ModuleJudge, StartedJudge
from superficial.config.schema.server import ModuleEngine, StartedConfig
from superficial.models.adapter import CARD, CONFIG, check_base
from superficial.pipeline.lock_command import tell_unlocked
from superficial.pipeline.slices.judging import judge_files, vote_files
from superficial.pipeline.stages import source_files
from superficial.pipeline.systems import about_published, published_outputs
from superficial.prompts.files import check_prompt


def check_run(run: Experiment) -> None:
    """Stop with a UserError where `run` could not be finished; say on stderr what of the hub is not locked."""
    _check_folders(run)
    names = (run.settings.response.name, run.settings.context.name)
    for name in {*run.settings.methods, *run.settings.contexts, *names}:
        check_prompt(run.method(name).prompt)
    check_custom(run.settings, run.pairs)
    _check_adapters(run)
    _check_engine(run)
    _check_judges(run)
    tell_unlocked(run)


def _check_folders(run: Experiment) -> None:
    path, folder = run.instructions, run.settings.published_dir
    if path is not None and not Path(path).is_file():
        raise UserError(f"no file {path}", where="config, key dataset.path", remedy="give a file of instructions")
    if run.settings.subject == "published" and folder is None:
        raise UserError("it is not set", where="config, key published_dir", remedy="published_dir=FOLDER")
    if folder is not None and not Path(folder).is_dir():
        raise UserError(
            f"no folder {folder}", where="config, key published_dir", remedy="it holds outputs/ and judgments/"
        )


def _check_adapters(run: Experiment) -> None:
    """An adapter in a folder was trained on the base that it is asked for with: known before anything is fetched."""
    for pair in run.with_stages.values():
        for source in (pair.base.source, pair.aligned.source):
            if not isinstance(source, LoraSource) or not isinstance(source.adapter, str):
                continue
            folder = Path(source.adapter)
            if (folder / CONFIG).is_file() and not (folder / CARD).is_file():
                check_base(folder, source.base)


def _check_engine(run: Experiment) -> None:
    engine = run.settings.engine
    if isinstance(engine, ModuleEngine) and not source_files(f"superficial.inference.engines.{engine.module}"):
        raise UserError(
            f"no file src/superficial/inference/engines/{engine.module}.py",
            where="config, key engine.module", remedy="name a module that is there",
        )  # fmt: skip
    if isinstance(engine, StartedEngine):
        _check_interpreter(engine, "engine")


def _check_interpreter(server: StartedConfig, key: str) -> None:
    """What starts a server is there: known before anything is fetched."""
    if "{python}" in server.command and shutil.which(server.python) is None:
        raise UserError(
            f"no interpreter {server.python}", where=f"config, {key}, key python",
            remedy="make vllm puts one with vLLM there; or name another",
        )  # fmt: skip


def _check_judges(run: Experiment) -> None:
    """No judge of the run is one of the judged models, and the files of each are there."""
    if about_published(run):
        judged = {name: [name] for name in published_outputs(run)}
    else:
        judged = {model: _names(run, run.model(model)) for model, _ in run.systems}
    for name in (run.settings.judge.name, *run.settings.trust.beside):
        judge = run.judge(name)
        model = run.model(judge.model) if isinstance(judge, LocalJudge | StartedJudge) else None
        if isinstance(judge, StartedJudge):
            _check_interpreter(judge, f"judge {name}")
        require_other(judge, judged, [model.title, getattr(model.source, "repo", "") or model.title] if model else [])
        if isinstance(judge, ModuleJudge) and not judge_files(judge):
            raise UserError(
                f"no file src/superficial/judging/kinds/{judge.module}.py",
                where=f"config, judge {name}, key module", remedy="name a module that is there",
            )  # fmt: skip
        if isinstance(judge, ImportedJudge) and not judge_files(judge):
            raise UserError(
                f"no outputs/*.json or judgments/**/*.json in {judge.source or 'any folder'}",
                where=f"config, judge {name}, key source", remedy="judge.source=FOLDER or published_dir=FOLDER",
            )  # fmt: skip
        for path in [*judge_files(judge), *judge_files(judge, paired=True), *vote_files(judge)]:
            if not Path(path).is_file():
                raise UserError(f"no file {path}", where=f"config, judge {name}", remedy="name a file that is there")


def _names(run: Experiment, model: ModelConfig) -> list[str]:
    source = model.source.model_dump(mode="json")
    engine = run.settings.engine
    served = engine.models.get(model.name) if isinstance(engine, ServerEngine) else None
    names = [model.name, model.title, *(str(source[key]) for key in ("repo", "path") if source.get(key))]
    names += [served.model] if served is not None and served.model else []
    if isinstance(model.source, LoraSource):
        names += _names(run, model.source.base)
    return names


def require_other(judge: JudgeConfig, judged: Mapping[str, Iterable[str]], known_as: Iterable[str] = ()) -> None:
    """Refuse a judge that is one of the judged models; `judged` are all names, titles and sources of each model.

    `known_as` are further names of the judge's own model.

    Letters and digits alone are compared, and what stands before the last slash does not count: "org/My-Model" is
    "my_model".
    """
    name = getattr(judge, "model", None)
    if name is None or judge.allow_self:
        return
    own = {_plain(one) for one in (name, *known_as)}
    for model, names in judged.items():
        if own & {_plain(one) for one in names}:
            raise UserError(
                f"{name} would judge responses of its own ({model})", where=f"config, judge {judge.name}",
                remedy="take another judge, or say judge.allow_self=true",
            )  # fmt: skip


def _plain(name: str) -> str:
    """Letters and digits after the last slash.

    >>> _plain("meta/Llama-2-7b_chat")
    'llama27bchat'
    """
    return "".join(char for char in name.rsplit("/", 1)[-1].lower() if char.isalnum())
