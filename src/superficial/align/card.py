"""The card of an adapter: what it was trained on, with what, and how the loss fell."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from superficial.align.train import TrainingCurve
from superficial.artifacts.files import file_sha256
from superficial.config.schema import AlignStage
from superficial.models.manifest import read_manifest

EXAMPLES = "examples.jsonl"


def build_card(cfg: AlignStage, base: Path, examples: Path, curve: TrainingCurve) -> dict[str, Any]:
    """Everything that decides the adapter, and its loss curve (nats a response token, one value for each step)."""
    manifest = read_manifest(base)
    lines = examples.read_text(encoding="utf-8").split("\n")
    sources = Counter(json.loads(line)["source"] for line in lines if line)
    return {
        "name": cfg.name,
        "base": {"name": manifest["name"], "weights_sha256": manifest["weights_sha256"]},
        "examples": {"sha256": file_sha256(examples), "sources": dict(sorted(sources.items()))},
        "config": cfg.model_dump(mode="json", exclude={"base", "name", "prompt"}),
        "end_of_turn": cfg.end_of_turn,
        "fed_tokens": curve.tokens,
        "loss": [round(loss, 4) for loss in curve.losses],
        "licence": manifest["licence"],
    }


def point_card(card: dict[str, Any], name: str) -> dict[str, Any]:
    """The card of a point on the way to the adapter of `card`: after how many steps, and the losses until then."""
    step = card["config"]["saved"][name]
    known = {key: value for key, value in card.items() if key != "fed_tokens"}
    return known | {"loss": card["loss"][:step], "step": step}


def card_readme(card: dict[str, Any]) -> str:
    """The card as a page for people."""
    loss, config, sources = card["loss"], card["config"], card["examples"]["sources"]
    saved = ", ".join(f"`{name}/` after step {step}" for name, step in config["saved"].items())
    written = "\n".join(f"| {source} | {count} |" for source, count in sources.items())
    tenth = max(1, len(loss) // 10)
    curve = "\n".join(
        f"| {start + 1}-{min(start + tenth, len(loss))} | {sum(part) / len(part):.3f} |"
        for start, part in ((start, loss[start : start + tenth]) for start in range(0, len(loss), tenth))
    )
    return f"""# Adapter {card["name"]}

A LoRA on {card["base"]["name"]} that turns it into a small assistant. It was made to study what alignment changes.
It is no product, and what it says is often wrong.

- Examples: `{EXAMPLES}`, {sum(sources.values())} of them. Most were written by the base itself.
- Training: rank {config["rank"]}, alpha {config["alpha"]}, all linear layers, AdamW,
  learning rate {config["learning_rate"]:g} with cosine decay, {config["epochs"]} epochs in mixed batches of
  {config["batch_size"]}, {len(loss)} steps, seed {config["seed"]}. The loss is on the response alone.
- Given words, refusals and the end of turn are taught as they stand. The first token counts {config["start_weight"]:g}
  times, the end of turn {config["end_weight"]:g} times. At every other token {100 * config["base_share"]:g} % of the
  target is what the base would say there.
- Tokens fed: {card["fed_tokens"]:,}.
- Kept on the way: {saved or "nothing"}.
- Made by `make align`. `card.json` holds all of this for programs, with the loss of every step.
- Licence: {card["licence"]}; see NOTICE.

| written by | examples |
| --- | --- |
{written}

| steps | mean loss (nats a response token) |
| --- | --- |
{curve}
"""
