"""Progress of long work, with its rate."""

from typing import Any

from tqdm import tqdm

from superficial.artifacts.job_log import BarFile


def progress(label: str, total: int, unit: str, *, shown: bool = True) -> "tqdm[Any]":
    """A bar that is drawn often in a terminal, and told about three times a minute in a log.

    Work that is a part of other work with a bar is not `shown`.
    """
    file = BarFile()
    bar = tqdm(
        total=total,
        desc=label,
        unit=f" {unit}",
        mininterval=file.seconds,
        dynamic_ncols=True,
        file=file,
        disable=not shown,
    )
    # Time alone decides when it is drawn again, so that `update(0)` shows a rate that changed while no item finished.
    bar.miniters, bar.dynamic_miniters = 0, False
    return bar
