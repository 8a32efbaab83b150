"""The table that benches fill: printed line by line, and saved with the machine and the versions that it hangs on."""

import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import PACKAGES, whole_file

Note = Callable[[str, float, str], None]  # what was measured, its value, and its unit


class Table:
    """Rows of bench, measure, value and unit."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def of(self, bench: str) -> Note:
        """Adds and prints a row of this bench."""
        return partial(self._note, bench)

    def _note(self, bench: str, measure: str, value: float, unit: str) -> None:
        if not self.rows:
            print(f"{'bench':<11} {'measure':<52} {'value':>14} unit")
        self.rows.append({"bench": bench, "measure": measure, "value": value, "unit": unit})
        shown = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
        print(f"{bench:<11} {measure:<52} {shown:>14} {unit}", flush=True)

    def save(self, out: Path) -> None:
        """Write the rows as JSON, with what they hang on."""
        packages = {name: version(name) for name in PACKAGES}
        finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        found = {"machine": machine(), "packages": packages, "finished": finished, "rows": self.rows}
        out.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(out) as partial_file:
            partial_file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Processor, its cores, what it multiplies fast, and the card where there is one."""
    import torch

    from superficial.models.screen import multiplies_fast

    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "bfloat16": multiplies_fast(),
        "card": card,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Its name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def require_model(manifest: Path) -> None:
    """Raises UserError where the default pair is not there."""
    if not manifest.is_file():
        raise UserError("no such model", where=str(manifest), remedy="run `make figures` first")
