"""Progress of long work, on stderr, with its rate."""

import sys
from typing import Any

from tqdm import tqdm


def progress(label: str, total: int, unit: str, *, shown: bool = True) -> "tqdm[Any]":
    """A bar that redraws often on a terminal, and about twice a minute in a log file; another's work is not `shown`."""
    seconds = 0.5 if sys.stderr.isatty() else 20.0
    bar = tqdm(
        total=total,
        desc=label,
        unit=f" {unit}",
        mininterval=seconds,
        dynamic_ncols=True,
        file=sys.stderr,
        disable=not shown,
    )
    # Time alone decides when it is drawn again, so that `update(0)` shows a rate that changed while no item finished.
    bar.miniters, bar.dynamic_miniters = 0, False
    return bar
