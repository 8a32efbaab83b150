"""The card of an adapter: what it was trained on, with what, and how the loss fell."""

from pathlib import Path
from typing import Any

from superficial.align.train import Curve
from superficial.artifacts.files import file_sha256
from superficial.config.schema import AlignConfig
from superficial.models.manifest import read_manifest


def build_card(cfg: AlignConfig, base: Path, data: Path, examples: int, curve: Curve) -> dict[str, Any]:
    """Everything that decides the adapter, and its loss curve (nats a response token, one value a step)."""
    manifest = read_manifest(base)
    return {
        "name": cfg.name,
        "base": {"name": manifest["name"], "weights_sha256": manifest["weights_sha256"]},
        "data": {"path": cfg.data, "sha256": file_sha256(data), "examples": examples},
        "config": cfg.model_dump(mode="json", exclude={"base", "name", "data"}),
        "end_of_turn": cfg.end_of_turn,
        "fed_tokens": curve.tokens,
        "loss": [round(loss, 4) for loss in curve.losses],
        "settled_loss": [round(loss, 4) for loss in curve.settled],
        "licence": manifest["licence"],
    }


def point_card(card: dict[str, Any], name: str) -> dict[str, Any]:
    """The card of a point on the way to the adapter of `card`: after how many steps, and the losses until then."""
    step = card["config"]["saved"][name]
    losses = {"loss": card["loss"][:step], "settled_loss": []}
    return {key: value for key, value in card.items() if key != "fed_tokens"} | losses | {"step": step}


def card_readme(card: dict[str, Any]) -> str:
    """The card as a page for people."""
    loss, config, settled = card["loss"], card["config"], card["settled_loss"]
    every = ", ".join(map(str, config["settle"]["refusals_every"]))
    saved = ", ".join(f"`{name}/` after step {step}" for name, step in config["saved"].items())
    tenth = max(1, len(loss) // 10)
    curve = "\n".join(
        f"| {start + 1}-{min(start + tenth, len(loss))} | {sum(part) / len(part):.3f} |"
        for start, part in ((start, loss[start : start + tenth]) for start in range(0, len(loss), tenth))
    )
    return f"""# Adapter {card["name"]}

A LoRA on {card["base"]["name"]} that turns it into a small assistant, made to study what alignment changes; it is no
product, and what it says is often wrong.

- Data: `{card["data"]["path"]}`, {card["data"]["examples"]} hand-written examples,
  sha256 `{card["data"]["sha256"]}`.
- Training: rank {config["rank"]}, alpha {config["alpha"]}, all linear layers, AdamW,
  learning rate {config["learning_rate"]:g} with cosine decay, {config["epochs"]} epochs of batches of
  {config["batch_size"]}, loss on the response alone, seed {config["seed"]}. The adapter is the mean of
  {len(settled)} last passes from there in mixed batches, learning rate {config["settle"]["learning_rate"]:g},
  with every n-th refusal, n = {every}, which ended at losses of {", ".join(map(str, settled))}.
- Tokens fed: {card["fed_tokens"]:,}. The last passes were chosen by what the demo instructions got for answers, so the
  demo is no test of how readily this model refuses.
- Kept on the way: {saved or "nothing"}.
- Made by `make align`; `card.json` holds all of this for programs, with the loss of every step.
- Licence: {card["licence"]}; see NOTICE.

| steps | mean loss (nats a response token) |
| --- | --- |
{curve}
"""
