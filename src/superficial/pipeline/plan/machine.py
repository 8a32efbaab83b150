"""What computes: this machine, measured for a moment, or a GPU of the table in config/plan/."""

import os
from dataclasses import dataclass

from superficial.config.schema import PlanConfig

SIDE = 1024  # of the square matrices that are multiplied to measure
COPIED = 2**27  # bytes


@dataclass(frozen=True)
class Machine:
    """Rates at best, and in `plan` the share of them that is reached."""

    name: str
    flops: float  # a second
    bandwidth: float  # bytes a second
    memory: float  # bytes
    width: int  # bytes of a number in the dtype that models have there
    plan: PlanConfig
    card: bool = True  # else a processor: sizes that are `auto` do not follow from its memory

    def reading(self, flops: float, moved: float) -> float:
        """Seconds of passes over whole texts: the roofline of FLOPs and bytes moved (Williams et al. 2009)."""
        return max(flops / self.flops, moved / self.bandwidth) / self.plan.reading

    def decoding(self, flops: float, moved: float) -> float:
        """Seconds of decoding token by token."""
        return max(flops / self.flops, moved / self.bandwidth) / self.plan.decoding

    def starting(self, weights: float) -> float:
        """Seconds until a job has its model: interpreter, libraries, `weights` bytes from disk."""
        return self.plan.start_seconds + weights / (self.plan.load_gb_per_second * 1e9)


def machine(plan: PlanConfig, device: str) -> Machine:
    """The GPU that the plan names, else what `device` (runtime.device) is here."""
    if plan.gpu is None:
        return _this(plan, device)
    gpu = plan.devices[plan.gpu]
    return Machine(plan.gpu, gpu.tflops * 1e12, gpu.bandwidth_gb * 1e9, gpu.memory_gb * 1e9, 2, plan)


def _this(plan: PlanConfig, asked: str) -> Machine:
    import torch

    from superficial.bench.scoring import gemm_rate, seconds
    from superficial.models.load import pick_dtype
    from superficial.models.placement import pick_device

    device = pick_device(asked)
    dtype = pick_dtype("auto", device)
    source = torch.empty(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source).copy_(source)
    moved = 2 * COPIED / min(seconds(lambda: target.copy_(source)) for _ in range(3))
    if device.type == "cuda":
        name, memory = torch.cuda.get_device_name(device), float(torch.cuda.mem_get_info(device)[1])
    else:
        name, memory = (
            f"this machine ({device.type}, measured)",
            float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        )
    return Machine(name, gemm_rate(device, SIDE, dtype), moved, memory, dtype.itemsize, plan, device.type == "cuda")
