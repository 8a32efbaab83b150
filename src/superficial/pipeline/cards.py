"""The cards of this machine, their size, and which of them a job gets: jobs beside each other take different ones."""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from superficial.artifacts.file_locks import lock_file

SEEN = "CUDA_VISIBLE_DEVICES"
DEVICES = Path("/dev")
ASK = ("nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits")
FOLDER = Path(tempfile.gettempdir()) / f"superficial-cards-{os.getuid()}"  # of this machine, not of a shared disk

_held: list[IO[bytes]] = []  # locks that last as long as this process


def cards_here(environment: Mapping[str, str] = os.environ, devices: Path = DEVICES) -> int:
    """How many cards a process may see; 1 for a machine that computes on another kind of device."""
    if cards := visible(environment, devices):
        return len(cards)
    return int((devices / "kfd").exists() or sys.platform == "darwin")


def memory_gb(environment: Mapping[str, str] = os.environ, devices: Path = DEVICES) -> float | None:
    """Memory of the smallest card that a process may see, in GB; None where the driver's `nvidia-smi` does not say."""
    seen = visible(environment, devices)
    if not seen:
        return None
    try:
        said = subprocess.run(ASK, capture_output=True, text=True, check=True, timeout=30).stdout
        cards = [line.split(", ") for line in said.splitlines()]
        sizes = {(number, uuid): float(mib) * 2**20 / 1e9 for number, uuid, mib in cards}
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    chosen = [size for (number, uuid), size in sizes.items() if number in seen or uuid.startswith(tuple(seen))]
    return min(chosen or sizes.values(), default=None)


def visible(environment: Mapping[str, str] = os.environ, devices: Path = DEVICES) -> list[str]:
    """Names of the NVIDIA cards, as CUDA_VISIBLE_DEVICES has them."""
    there = sorted((file.name.removeprefix("nvidia") for file in devices.glob("nvidia[0-9]*")), key=int)
    if not there or SEEN not in environment:
        return there
    return [name.strip() for name in environment[SEEN].split(",") if name.strip()]


def take_cards(wanted: int, folder: Path = FOLDER, devices: Path = DEVICES) -> None:
    """From now on this process sees `wanted` cards that no other job of ours has; it waits until so many are free.

    Nothing changes where there are no more than that, or where no card is wanted.
    """
    there = visible(os.environ, devices)
    if not 0 < wanted < len(there):
        return
    folder.mkdir(parents=True, exist_ok=True)
    while (mine := _try(wanted, there, folder)) is None:
        time.sleep(random.uniform(0.2, 1.0))
    os.environ[SEEN] = ",".join(mine)


def _try(wanted: int, there: list[str], folder: Path) -> list[str] | None:
    """All of them or none: who held some while waiting for others could wait for ever."""
    found: dict[str, IO[bytes]] = {}
    for card in there:
        handle = open(folder / card.replace("/", "_"), "ab")  # noqa: SIM115 (it is closed with the process)
        if lock_file(handle, wait=False) is False:
            handle.close()
            continue
        found[card] = handle
        if len(found) == wanted:
            _held.extend(found.values())
            return list(found)
    for lock in found.values():
        lock.close()
    return None
