"""Train the aligned sibling: LoRA on all linear layers of a base model, loss on the response alone."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

from superficial.align.batches import Batch, Example, epoch_batches
from superficial.align.loss import head_cross_entropy
from superficial.progress import progress
from superficial.schema import AlignConfig


@dataclass
class Curve:
    """What training looked like: one loss (nats a response token) per optimiser step, and the tokens it was fed."""

    losses: list[float] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0


def train_lora(model: PreTrainedModel, examples: list[Example], cfg: AlignConfig) -> tuple[PeftModel, Curve]:
    """AdamW with linear warm-up and cosine decay, seeded; the base's weights stay as they are.

    The same seed, machine and number of threads give the same adapter, bit for bit.
    """
    torch.manual_seed(cfg.seed)
    for weight in model.parameters():
        weight.requires_grad_(False)
    lora = LoraConfig(r=cfg.rank, lora_alpha=cfg.alpha, lora_dropout=0.0, target_modules="all-linear", bias="none")
    peft = get_peft_model(model, lora)
    trained = [weight for weight in peft.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=cfg.learning_rate, weight_decay=0.0)
    steps = cfg.epochs * math.ceil(len(examples) / cfg.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps, cfg.warmup_share))

    curve, started = Curve(), time.monotonic()
    total = cfg.epochs * sum(len(example) - 1 for example in examples)
    peft.train()
    with progress("aligning", total, "tokens") as bar:
        for batch in _batches(examples, cfg):
            loss = _loss(peft, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad(set_to_none=True)
            fed = int(batch.mask.sum())
            curve.losses.append(loss.item())
            curve.tokens += fed
            bar.update(fed)
            bar.set_postfix_str(f"loss {loss.item():.3f} nats/token")
    curve.seconds = time.monotonic() - started
    return peft, curve


def _batches(examples: list[Example], cfg: AlignConfig) -> Iterator[Batch]:
    for epoch in range(cfg.epochs):
        yield from epoch_batches(examples, cfg.batch_size, cfg.seed + epoch)


def _loss(peft: PeftModel, batch: Batch) -> torch.Tensor:
    model: Any = peft.get_base_model()
    device = model.device
    states = model.base_model(
        input_ids=batch.input_ids.to(device), attention_mask=batch.mask.to(device), use_cache=False
    ).last_hidden_state  # (B, T, H)
    wanted = states.flatten(0, 1)[batch.where.to(device)]  # (N, H)
    return head_cross_entropy(wanted, model.get_output_embeddings().weight, batch.targets.to(device))


def _rate(step: int, steps: int, warmup_share: float) -> float:
    warmup = max(1, round(steps * warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
