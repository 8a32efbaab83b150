"""Progress of long work, with its rate."""

from typing import Any

from tqdm import tqdm

from superficial.artifacts.job_log import bar_file

PART = "{percentage:.0f}% ({n_fmt} of {total_fmt}), {remaining} left, {rate_fmt}{postfix}"
BEGUN = "0% (0 of {total_fmt})"  # there is no rate yet
COUNT = "{n_fmt}{unit}"  # of work whose end is unknown


def progress(label: str, total: int, unit: str, *, shown: bool = True) -> "tqdm[Any]":
    """A bar that is drawn often in a terminal, and told about three times a minute in a log.

    Where the whole run is shown by one process, that one gets numbers instead of the bar.

    Work that is a part of other work with a bar is not `shown`.
    """
    file = bar_file()
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
    file.numbers = lambda: f"{label}\n{numbers(bar)}"
    return bar


def numbers(bar: "tqdm[Any]") -> str:
    """How far it is, with time left and rate."""
    form = (PART if bar.n else BEGUN) if bar.total else COUNT
    # Whole, however wide the terminal of this job is: who shows it cuts it.
    return str(tqdm.format_meter(**bar.format_dict | {"bar_format": form, "prefix": "", "ncols": None}))
