"""Compose the configuration with Hydra, validate it, and cut it into the slice that each stage reads.

The workflow sees builtins only: a slice is one canonical JSON string, because Snakemake compares that reliably.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from superficial.artifact import canonical
from superficial.errors import UserError
from superficial.schema import LoraSource, MethodConfig, ModelConfig, PairConfig, Settings
from superficial.slices import SLICES
from superficial.validation import keys_beside, nearest, validate


class Experiment:
    """One composed configuration: settings, every pair and model in it, and a slice for each stage."""

    def __init__(self, folder: Path, overrides: Sequence[str] = ()) -> None:
        self._folder = folder
        self._overrides = list(overrides)
        self.settings: Settings = validate(Settings, _compose(folder, self._overrides), where="config")

    @cached_property
    def pairs(self) -> dict[str, PairConfig]:
        """The pairs of this run by name, in the order asked for."""
        if not self.settings.pairs:
            return {self.settings.pair.name: self.settings.pair}
        others = [entry for entry in self._overrides if not re.match(r"(pair|pairs)=", entry)]
        return {
            name: validate(Settings, _compose(self._folder, [*others, f"pair={name}"]), where="config").pair
            for name in self.settings.pairs
        }

    @cached_property
    def model_names(self) -> list[str]:
        """Every model that has a file in config/model/ or a place in a pair."""
        return sorted({file.stem for file in (self._folder / "model").glob("*.yaml")} | set(self._models_in_use))

    @cached_property
    def _models_in_use(self) -> dict[str, ModelConfig]:
        found: dict[str, ModelConfig] = {}
        waiting = [model for pair in self.pairs.values() for model in (pair.base, pair.aligned)]
        while waiting:
            model = waiting.pop()
            found[model.name] = model
            if isinstance(model.source, LoraSource):
                waiting.append(model.source.base)
        return found

    def check_files(self) -> None:
        """Stop before any work when the dataset is not where the configuration says."""
        path = self.settings.dataset.path
        if not Path(path).is_file():
            raise UserError(
                f"no file {path}", where="config, key dataset.path", remedy="give a JSONL file of instructions"
            )

    def model(self, name: str) -> ModelConfig:
        """A model of this run, or else the one in config/model/{name}.yaml."""
        if name in self._models_in_use:
            return self._models_in_use[name]
        composed = _compose(self._folder, [f"+model@chosen={name}"])
        return validate(ModelConfig, composed["chosen"], where=f"config/model/{name}.yaml")

    def method(self, name: str) -> MethodConfig:
        """A method of this run, or else the one in config/method/{name}.yaml."""
        settings = self.settings
        for method in (settings.response, settings.context):
            if method.name == name:
                return method
        composed = _compose(self._folder, [f"+method@chosen={name}"])
        return validate(MethodConfig, composed["chosen"], where=f"config/method/{name}.yaml")

    def slice(self, stage: str, name: str = "") -> str:
        """What `stage` reads, as canonical JSON; `name` is the model, method or change that the job is about."""
        return canonical(SLICES[stage](self, name).model_dump(mode="json"))


def split_overrides(value: str | Sequence[str] | None) -> list[str]:
    """Overrides as `--config 'hydra=[a=1,pairs=[x,y]]'` delivers them: a list, or the text when it is no YAML list.

    >>> split_overrides("[pairs=[A,B],dataset.limit=3]")
    ['pairs=[A,B]', 'dataset.limit=3']
    >>> split_overrides(["pair=a"])
    ['pair=a']
    >>> split_overrides(None)
    []
    """
    if value is None:
        return []
    if not isinstance(value, str):
        bad = [entry for entry in value if not isinstance(entry, str)]
        if bad:
            raise UserError(
                f"{bad[0]!r} is no override", where="--config hydra", remedy="write KEY=VALUE, without spaces"
            )
        return list(value)
    text = value.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    entries, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in "[{(") - (char in "]})")
        if char == "," and depth == 0:
            entries.append(text[start:index])
            start = index + 1
    return [entry.strip() for entry in [*entries, text[start:]] if entry.strip()]


def _compose(folder: Path, overrides: Sequence[str]) -> Any:
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(folder.resolve())):
            return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{mark.name}, line {mark.line + 1}" if mark else str(folder)
        problem = getattr(error, "problem", None) or "not YAML"
        raise UserError(f"malformed YAML: {problem}", where=place, remedy="mend the line") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise _explain(folder, overrides, error) from error


def _explain(folder: Path, overrides: Sequence[str], error: Exception) -> UserError:
    """Find which override Hydra stumbled over, and say what would have been right."""
    for entry in overrides:
        key, _, value = entry.lstrip("+~").partition("=")
        group = folder / key.split("@")[0]
        if group.is_dir() and not (group / f"{value}.yaml").is_file():
            valid = sorted(file.stem for file in group.glob("*.yaml"))
            return UserError(
                f"no {key} named {value!r}", where=f"config/{group.name}/", remedy=nearest(value, valid, "names")
            )
        path = key.split(".")
        valid = keys_beside(Settings, path) or sorted(Settings.model_fields)
        if value and not group.is_dir() and path[-1] not in valid:
            return UserError(f"unknown key {key}", where="--config hydra", remedy=nearest(path[-1], valid, "keys"))
    return UserError(str(error).split("\n")[0], where="config", remedy="see config/config.yaml for the keys")
