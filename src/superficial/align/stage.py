"""The align stage: train the adapter and write the folder that ships it."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from superficial.align.batches import read_examples
from superficial.align.card import EXAMPLES, build_card, card_readme, point_card
from superficial.align.train import load_weights, train_lora
from superficial.artifacts.errors import UserError
from superficial.artifacts.files import whole_folder, write_sidecar
from superficial.config.schema import AlignStage, RuntimeConfig
from superficial.models.adapter import CARD, TEMPLATE
from superficial.models.load import load_model
from superficial.prompts.builder import PromptBuilder


def run(
    cfg: AlignStage, runtime: RuntimeConfig, *, base: Path, examples: Path, template: Path, notice: Path, out: Path
) -> None:
    """Write the folder of `out` (card.json): adapter (bfloat16 safetensors), chat template, card, notice, README.

    The examples come along, so that everybody can read what the sibling was trained on. The points that `cfg.saved`
    names are folders within it, each an adapter of its own.
    """
    started = time.monotonic()
    loaded = load_model(base, runtime.device)
    loaded.tokenizer.chat_template = template.read_text(encoding="utf-8")
    end: Any = loaded.tokenizer.convert_tokens_to_ids(cfg.end_of_turn)
    if end in (None, loaded.tokenizer.unk_token_id):
        raise UserError(
            f"{cfg.end_of_turn!r} is no token of {cfg.base.name}", where="align.end_of_turn", remedy="name one token"
        )
    prompts = PromptBuilder.of(loaded, cfg.prompt, ())
    read = read_examples(examples, loaded, prompts, int(end), runtime.score_tokens)
    adapter, curve = train_lora(loaded.model, read, cfg)
    card = build_card(cfg, base, examples, curve)
    adapter.to(torch.bfloat16)
    with whole_folder(out.parent) as folder:
        write_adapter(adapter, card, template, notice, folder)
        (folder / "README.md").write_text(card_readme(card), encoding="utf-8")
        shutil.copyfile(examples, folder / EXAMPLES)
        for name, weights in curve.saved.items():
            load_weights(weights, adapter)
            write_adapter(adapter, point_card(card, name), template, notice, folder / name)
    facts = {
        "fed_tokens": curve.tokens,
        "tokens_per_second": round(curve.tokens / curve.seconds, 2),
        "final_loss": curve.losses[-1],
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }
    inputs = {"base": base, "examples": examples, "template": template, "notice": notice}
    write_sidecar(out, stage="align", config=cfg.model_dump(mode="json"), inputs=inputs, started=started, facts=facts)


def write_adapter(adapter: PeftModel, card: dict[str, Any], template: Path, notice: Path, folder: Path) -> None:
    """Fill a folder that a model source of kind `lora` can name."""
    adapter.save_pretrained(str(folder))
    # peft writes a card template and the path of the base on this machine; ours say what matters, and no paths.
    (folder / "README.md").unlink(missing_ok=True)
    config = folder / "adapter_config.json"
    settings = json.loads(config.read_text(encoding="utf-8")) | {"base_model_name_or_path": card["base"]["name"]}
    settings["target_modules"].sort()  # a set for peft, which writes it in another order each time
    config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    shutil.copyfile(template, folder / TEMPLATE)
    shutil.copyfile(notice, folder / "NOTICE")
    (folder / CARD).write_text(json.dumps(card, indent=2, sort_keys=True) + "\n", encoding="utf-8")
