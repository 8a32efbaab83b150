"""A prompt that was found, as a file that config/method/ takes."""

from pathlib import Path

import yaml

from superficial.artifacts.files import whole_file
from superficial.config.schema import MethodConfig
from superficial.probes.search.greedy import ExampleIds


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Text of several lines stands in one, as in config/method/."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\n" in text else None)


_Dumper.add_representer(str, _text)


def write_method(method: MethodConfig, found: ExampleIds, path: Path) -> None:
    """Write `method` whole, with the `found` examples in the place of its own; its name is the file's."""
    given = method.model_dump(mode="json", exclude_none=True)
    given |= {"name": path.stem, "title": f"{method.title}, found"}
    given["prompt"]["examples"]["ids"] = list(found)
    given["prompt"].pop("published", None)  # the paper has no text for it
    text = yaml.dump(given, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    header = (
        "# Examples found by `make search-prompt`: with them the base is nearest to the aligned model (greedily).\n"
        f"# To use it: cp {path} config/method/, then 'hydra=[contexts=[{path.stem}]]' or methods=[...,{path.stem}].\n"
    )
    with whole_file(path) as partial:
        partial.write_text(header + text, encoding="utf-8")
