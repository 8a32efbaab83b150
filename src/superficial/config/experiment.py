"""Compose the configuration with Hydra, and validate it."""

import re
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from superficial.artifacts.errors import UserError
from superficial.config.custom_pair import model_name, model_title, pair_name, source_of, with_sources
from superficial.config.methods import as_overrides, check_changes, split_changes, with_date, with_prompt_source
from superficial.config.revisions import NAME as LOCK
from superficial.config.revisions import RevisionLock, Section
from superficial.config.schema import (
    DatasetConfig,
    EmbeddingConfig,
    IndexConfig,
    JudgeConfig,
    JudgeFile,
    LoraSource,
    MethodConfig,
    ModelConfig,
    NeighboursConfig,
    PairConfig,
    Runtime,
    ServerJudge,
    Settings,
    StartedJudge,
)
from superficial.config.schema.judge import ImportedJudge, LocalJudge
from superficial.config.validation import keys_beside, nearest, validate


class Experiment:
    """One composed configuration: settings, and every pair and model in it."""

    def __init__(self, folder: Path, overrides: Sequence[str] = (), *, locked: bool = True) -> None:
        """`locked`: revisions of the hub are replaced by the commits in the lock."""
        self._folder, self._locked = folder, locked
        self.lock = RevisionLock(folder / LOCK)
        self._overrides, self._changes = split_changes(overrides)
        for name in self._changes:
            self._require_method(name, "--config hydra")
        self.settings: Settings = self._settings()
        for name, changes in self._changes.items():
            check_changes(name, changes, self.method(name), self.settings.prompt_source)

    def _valid(self, kind: type[Section], value: Any, *, where: str) -> Section:
        found = validate(kind, value, where=where)
        return self.lock.pinned(found) if self._locked else found

    def _composed(self, overrides: Sequence[str]) -> Settings:
        found = _compose(self._folder, overrides)
        return self._valid(Settings, found | {"pair": with_sources(found.get("pair"))}, where="config")

    def _settings(self) -> Settings:
        settings = self._composed(self._overrides)
        roles = {"response": settings.response.name, "context": settings.context.name}
        changes = [entry for role, name in roles.items() for entry in as_overrides(self._changes.get(name, ()), role)]
        if changes:
            settings = self._composed([*self._overrides, *changes])
        asked = {"methods": settings.methods, "contexts": settings.contexts, "search.method": [settings.search.method]}
        for key, names in asked.items():
            for name in names:
                self._require_method(name, f"config, key {key}")
        source, day = settings.prompt_source, settings.generate.date
        asking = {role: with_date(with_prompt_source(getattr(settings, role), source), day) for role in roles}
        return settings.model_copy(update=asking)

    @cached_property
    def pairs(self) -> dict[str, PairConfig]:
        """The pairs of this run by name, in the order asked for; a `pair=NAME` asked for wins over an experiment."""
        asked = {entry.split("=")[0] for entry in self._overrides}
        if not self.settings.pairs or ("pair" in asked and "pairs" not in asked):
            return {self.settings.pair.name: self.settings.pair}
        others = [entry for entry in self._overrides if not re.match(r"(pair|pairs)=", entry)]
        found = [self._composed([*others, f"pair={name}"]).pair for name in self.settings.pairs]
        return {pair.name: pair for pair in found}

    @cached_property
    def with_stages(self) -> dict[str, PairConfig]:
        """The pairs, and PAIR.STAGE for every stage of training in one: that stage against the aligned model."""
        rungs = {
            f"{pair.name}.{stage}": pair.model_copy(update={"base": model, "stages": {}})
            for pair in self.pairs.values()
            for stage, model in pair.stages.items()
        }
        return self.pairs | rungs

    @cached_property
    def model_names(self) -> list[str]:
        """Every model that has a file in config/model/ or a place in a pair."""
        return sorted({file.stem for file in (self._folder / "model").glob("*.yaml")} | set(self._models_in_use))

    @cached_property
    def _models_in_use(self) -> dict[str, ModelConfig]:
        found: dict[str, ModelConfig] = {}
        waiting = [model for pair in self.pairs.values() for model in (pair.base, *pair.stages.values(), pair.aligned)]
        while waiting:
            model = waiting.pop()
            found[model.name] = model
            if isinstance(model.source, LoraSource):
                waiting.append(model.source.base)
        return found | self._judging_models

    @cached_property
    def _judging_models(self) -> dict[str, ModelConfig]:
        """Of judges that name a folder or a repository of the hub; others have a file in config/model/."""
        found = {}
        for name in (self.settings.judge.name, *self.settings.trust.beside):
            asked = self._judge(name)
            if isinstance(asked, StartedJudge) and (model := self._named(asked.model)) != asked.model:
                source = source_of(asked.model, f"config, judge {name}, key model")
                about = {"name": model, "title": asked.model, "licence": "see its repository", "source": source}
                found[model] = self._valid(ModelConfig, about, where=f"config, judge {name}")
        return found

    def _named(self, where: str) -> str:
        """The model of this run that a judge names by a file of config/model/, by a folder, or by its repository."""
        return where if (self._folder / f"model/{where}.yaml").is_file() else model_name(where)

    def dataset(self, name: str) -> DatasetConfig:
        """The instructions of this run, or those that the sibling is made from, by their name."""
        own, sibling = self.settings.dataset, self.settings.align.instructions
        return {sibling.name: sibling, own.name: own}[name]

    @property
    def dataset_title(self) -> str:
        """The instructions of this run as people read of them; with a name or file of their own they lose the title."""
        own, given = self.settings.dataset, {entry.lstrip("+").partition("=")[0] for entry in self._overrides}
        others = "dataset.name" in given or ("dataset.path" in given and own.hub is None)
        return own.title if own.title and ("dataset.title" in given or not others) else own.name

    @property
    def instructions(self) -> str | None:
        """The local file of this run's instructions; null: on the hub."""
        return self.instructions_of(self.settings.dataset)

    def instructions_of(self, dataset: DatasetConfig) -> str | None:
        """The local file of a dataset: its own, else the one in published_dir; null: on the hub."""
        folder = self.settings.published_dir
        if dataset.path is None and dataset.published is not None and folder is not None:
            file = Path(folder) / dataset.published
            return str(file) if file.is_file() else None
        return dataset.path

    def model(self, name: str) -> ModelConfig:
        """A model of this run, or else the one in config/model/{name}.yaml."""
        if name in self._models_in_use:
            return self._models_in_use[name]
        return self._valid(ModelConfig, self._choose("model", name), where=f"config/model/{name}.yaml")

    def judge(self, name: str) -> JudgeConfig:
        """The judge of this run, or else the one in config/judge/{name}.yaml."""
        found = self._judge(name)
        if isinstance(found, StartedJudge):
            found = found.model_copy(update={"model": self._named(found.model)})
        return found

    def _judge(self, name: str) -> JudgeConfig:
        where, found = f"config/judge/{name}.yaml", self.settings.judge
        if name != found.name:
            found = self._valid(JudgeFile, {"judge": self._choose("judge", name)}, where=where).judge
        if isinstance(found, ImportedJudge) and found.source is None:
            found = found.model_copy(update={"source": self.settings.published_dir})
        if isinstance(found, LocalJudge) and found.date is None:
            found = found.model_copy(update={"date": self.settings.generate.date})
        return found

    def method(self, name: str) -> MethodConfig:
        """A method of this run, or else the one in config/method/{name}.yaml."""
        settings = self.settings
        for method in (settings.response, settings.context):
            if method.name == name:
                return method
        self._require_method(name, "config/method/")
        where = f"config/method/{name}.yaml"
        changes = as_overrides(self._changes.get(name, ()), "method")
        found = self._valid(MethodConfig, self._choose("method", name, changes), where=where)
        if found.name != name:
            raise UserError(f"it names itself {found.name!r}", where=where, remedy=f"write name: {name}")
        return with_date(with_prompt_source(found, settings.prompt_source), settings.generate.date)

    @cached_property
    def method_names(self) -> list[str]:
        """Every method that has a file in config/method/."""
        return sorted(file.stem for file in (self._folder / "method").glob("*.yaml"))

    @cached_property
    def systems(self) -> list[tuple[str, str]]:
        """Who answers in this run, (model, method): of every pair the base by each method, then the aligned model."""
        settings = self.settings
        found = [
            (model, method)
            for pair in self.pairs.values()
            for model, methods in ((pair.base.name, settings.methods), (pair.aligned.name, [settings.response.name]))
            for method in methods
        ]
        return list(dict.fromkeys(found))  # two pairs may share a base

    def _require_method(self, name: str, where: str) -> None:
        if name not in self.method_names:
            raise UserError(f"no method named {name!r}", where=where, remedy=nearest(name, self.method_names, "names"))

    @cached_property
    def _chosen(self) -> dict[str, Any]:
        return {}

    def _choose(self, group: str, name: str, changes: Sequence[str] = ()) -> Any:
        """One file of a group with `changes` to it, composed alone, and once: rules ask for it again and again."""
        file = f"{group}/{name}"
        if file not in self._chosen:
            valid = sorted(one.stem for one in (self._folder / group).glob("*.yaml"))
            if name not in valid:
                raise UserError(
                    f"no {group} named {name!r}", where=f"config/{group}/", remedy=nearest(name, valid, "names")
                )
            self._chosen[file] = _compose(self._folder, changes, file)[group]
        return self._chosen[file]

    def index(self, name: str) -> IndexConfig:
        """The index in config/index/{name}.yaml."""
        return self._valid(IndexConfig, self._choose("index", name), where=f"config/index/{name}.yaml")

    def embedding(self, name: str) -> EmbeddingConfig:
        """The embedding model in config/embedding/{name}.yaml."""
        return self._valid(EmbeddingConfig, self._choose("embedding", name), where=f"config/embedding/{name}.yaml")

    def neighbours(self, method: str) -> NeighboursConfig:
        """What a method looks up for each instruction."""
        asked = self.method(method).prompt.neighbours
        if asked is None:
            raise UserError(
                f"method {method} looks up no neighbours",
                where=f"config/method/{method}.yaml, key prompt.neighbours",
                remedy="give it an index and k, or ask for the neighbours of another method",
            )
        return asked

    @property
    def runtime(self) -> str:
        """What every stage is handed beside its slice, as JSON: it decides no result, so no rule depends on it."""
        asked = [self.judge(name) for name in (self.settings.judge.name, *self.settings.trust.beside)]
        reached = {
            "judges": {judge.name: judge for judge in asked if isinstance(judge, ServerJudge)},
            "started_judges": {judge.name: judge for judge in asked if isinstance(judge, StartedJudge)},
        }
        return Runtime(**dict(self.settings.runtime), engine=self.settings.engine, **reached).model_dump_json()


OmegaConf.register_new_resolver("model_name", model_name, replace=True)
OmegaConf.register_new_resolver("model_title", model_title, replace=True)
OmegaConf.register_new_resolver("pair_name", pair_name, replace=True)


def _compose(folder: Path, overrides: Sequence[str], file: str = "config") -> Any:
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(folder.resolve())), warnings.catch_warnings():
            # A file of a group may leave out `_self_`, which comes last then; Hydra asks for it in the first file.
            warnings.filterwarnings("ignore", message=".*Defaults list is missing `_self_`")
            return OmegaConf.to_container(compose(file, overrides=list(overrides)), resolve=True)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{mark.name}, line {mark.line + 1}" if mark else str(folder)
        problem = getattr(error, "problem", None) or "not YAML"
        raise UserError(f"malformed YAML: {problem}", where=place, remedy="mend the line") from error
    except (HydraException, OmegaConfBaseException) as error:
        told: BaseException | None = error
        while told is not None and not isinstance(told, UserError):
            told = told.__cause__ or told.__context__
        raise (told or _explain(folder, overrides, error)) from error


def _explain(folder: Path, overrides: Sequence[str], error: Exception) -> UserError:
    """Find which override Hydra stumbled over, and say what would have been right."""
    if isinstance(error, OverrideParseException):
        remedy = 'write KEY=VALUE, and KEY="VALUE" where the value holds a space, a comma, =, [ or {'
        return UserError(f"cannot read {error.override}", where="--config hydra", remedy=remedy)
    for entry in overrides:
        key, _, value = entry.lstrip("+~").partition("=")
        group = folder / key.split("@")[0]
        if group.is_dir() and not (group / f"{value}.yaml").is_file():
            valid = sorted(file.stem for file in group.glob("*.yaml"))
            return UserError(
                f"no {key} named {value!r}", where=f"config/{group.name}/", remedy=nearest(value, valid, "names")
            )
        path = re.sub(r"^method(?=\.|$)", "response", key).split(".")  # any method has the keys of this one
        valid = keys_beside(Settings, path) or sorted(Settings.model_fields)
        if (value or entry.startswith("~")) and not group.is_dir() and path[-1] not in valid:
            return UserError(f"unknown key {key}", where="--config hydra", remedy=nearest(path[-1], valid, "keys"))
    return UserError(str(error).split("\n")[0], where="config", remedy="see config/config.yaml for the keys")
