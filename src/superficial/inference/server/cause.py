"""Why a server ended, from the last lines of its log."""

import re
from pathlib import Path

READ = 200_000  # bytes of the end of a log
LONGEST = 300  # characters of a cause
TAKEN = re.compile(r"address already in use|\[Errno (98|48)\]", re.IGNORECASE)
MEMORY = re.compile(r"out of memory|OutOfMemory|MemoryError|KV cache|free memory|gpu_memory_utilization", re.IGNORECASE)
PACKAGE = re.compile(r"No module named")
_ADVICE = re.compile(r"\b(WARNING|INFO|DEBUG)\b|Warning: ")
_ERROR = re.compile(
    r"\b(?:\w+\.)*\w*(?:Error|Exception|OutOfMemory\w*)\b: .*\S|error: .*\S|No module named .*\S"
    r"|(?:\S+ ){0,5}(?:died|exited) unexpectedly.*"
)
_GENERAL = re.compile(
    r"See root cause above|Engine core initialization failed|WorkerProc|EngineDeadError|CancelledError"
)


def tail(log: Path, start: int = 0) -> str:
    """The end of a log, as far as it was written after byte `start`; empty where there is none."""
    if not log.is_file():
        return ""
    with open(log, "rb") as file:
        file.seek(max(start, log.stat().st_size - READ))
        return file.read().decode("utf-8", "replace")


def cause(text: str) -> str:
    """The last error in a log, before those that only point to another one; where there is none, its last line.

    >>> cause("INFO: up\\nValueError: too long\\n  File x\\nRuntimeError: Engine core initialization failed. See root")
    'ValueError: too long'
    >>> cause("INFO: up\\n\\nKilled\\n"), cause("WARNING: `OSError: full` may come\\nEngineDeadError: gone\\nbye")
    ('Killed', 'EngineDeadError: gone')
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [match.group() for line in lines if (match := _ERROR.search(line)) and not _ADVICE.search(line)]
    told = [one for one in errors if not _GENERAL.search(one)]
    said = (told or errors or lines or ["its log is empty"])[-1]
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."


def remedy(text: str, python: str, command: str) -> str:
    """What may help against a cause."""
    if PACKAGE.search(text):
        return f"install it for {python} (make vllm), or name another engine.python"
    if MEMORY.search(text):
        return "take more or larger cards (runtime.gpu_gb), or a smaller model, or less memory in engine.environment"
    return f"look into its log; the command was: {command}"
