"""Train the aligned sibling: LoRA on all linear layers of a base model, loss on the response alone.

The words that are given, refusals and the end of turn are taught as they stand. At every other token the target is
mixed with what the base itself would say there, as a KL penalty to the base does in RLHF: the sibling learns how to
begin, when to stop and what to refuse, and stays near the base in between.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

from superficial.align.batches import TrainingBatch, TrainingExample, epoch_batches
from superficial.align.loss import head_cross_entropy
from superficial.artifacts.errors import UserError
from superficial.artifacts.progress import progress
from superficial.config.schema import AlignConfig


@dataclass
class TrainingCurve:
    """What training looked like. Losses are nats a response token, one of each step."""

    losses: list[float] = field(default_factory=list)
    saved: dict[str, list[torch.Tensor]] = field(default_factory=dict)  # weights of the adapter at each point
    tokens: int = 0
    seconds: float = 0.0


def train_lora(
    model: PreTrainedModel, examples: list[TrainingExample], cfg: AlignConfig
) -> tuple[PeftModel, TrainingCurve]:
    """AdamW over seeded epochs with linear warm-up and cosine decay; the base's weights stay as they are.

    The same seed, machine and number of threads give the same adapter, bit for bit. Raises UserError where `cfg.saved`
    names a step that is never reached.
    """
    torch.manual_seed(cfg.seed)
    for weight in model.parameters():
        weight.requires_grad_(False)
    lora = LoraConfig(r=cfg.rank, lora_alpha=cfg.alpha, lora_dropout=0.0, target_modules="all-linear", bias="none")
    peft = get_peft_model(model, lora)
    epochs = [epoch_batches(examples, cfg.batch_size, cfg.seed + epoch) for epoch in range(cfg.epochs)]
    batches = [batch for epoch in epochs for batch in epoch]
    if beyond := [name for name, at in cfg.saved.items() if at > len(batches)]:
        raise UserError(
            f"{cfg.epochs} epochs are {len(batches)} steps, and step {cfg.saved[beyond[0]]} is to be kept",
            where=f"config/align/{cfg.name}.yaml, key saved.{beyond[0]}",
            remedy=f"at most {len(batches)}",
        )
    return peft, train(peft, batches, cfg)


def train(peft: PeftModel, batches: list[TrainingBatch], cfg: AlignConfig) -> TrainingCurve:
    """One optimiser step a batch; returns losses, tokens and time, and the weights at the points of `cfg.saved`."""
    trained, curve = _trained(peft), TrainingCurve()
    optimiser = torch.optim.AdamW(trained, lr=cfg.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, len(batches), cfg.warmup_share))
    started = time.monotonic()
    peft.train()
    with progress("aligning", sum(int(batch.mask.sum()) for batch in batches), "tokens") as bar:
        for step, batch in enumerate(batches, start=1):
            loss = _loss(peft, batch, cfg)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad(set_to_none=True)
            fed = int(batch.mask.sum())
            curve.losses.append(loss.item())
            curve.tokens += fed
            for name in (name for name, at in cfg.saved.items() if at == step):
                curve.saved[name] = [weight.detach().clone() for weight in trained]
            bar.update(fed)
            bar.set_postfix_str(f"loss {loss.item():.3f} nats/token")
    curve.seconds = time.monotonic() - started
    return curve


def load_weights(values: list[torch.Tensor], peft: PeftModel) -> None:
    """Copy `values` into the weights of the adapter."""
    with torch.no_grad():
        for value, weight in zip(values, _trained(peft), strict=True):
            weight.copy_(value)


def _trained(peft: PeftModel) -> list[torch.nn.Parameter]:
    return [weight for weight in peft.parameters() if weight.requires_grad]


def _loss(peft: PeftModel, batch: TrainingBatch, cfg: AlignConfig) -> torch.Tensor:
    model: Any = peft.get_base_model()
    device = model.device
    states = model.base_model(
        input_ids=batch.input_ids.to(device), attention_mask=batch.mask.to(device), use_cache=False
    ).last_hidden_state  # (B, T, H)
    wanted = states.flatten(0, 1)[batch.where.to(device)]  # (N, H)
    head = model.get_output_embeddings().weight
    taught = batch.taught.to(device)
    weights = torch.where(batch.starts.to(device), cfg.start_weight, 1.0)
    weights = torch.where(batch.ends.to(device), cfg.end_weight, weights)
    shares = torch.where(taught, 0.0, cfg.base_share)
    return head_cross_entropy(wanted, batch.reference.to(device), head, batch.targets.to(device), weights, shares)


def _rate(step: int, steps: int, warmup_share: float) -> float:
    warmup = max(1, round(steps * warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
