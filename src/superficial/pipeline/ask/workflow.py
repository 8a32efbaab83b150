"""The workflow run for a few targets: one line says what happens; what Snakemake and its jobs say is in a log."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from superficial.artifacts.errors import UserError
from superficial.artifacts.markup import visible
from superficial.pipeline.dryrun import BLOCK

STEPS = {  # by rule
    "model": "fetching and converting the models (once)",
    "data": "reading the question",
    "pair": "comparing the vocabularies",
    "generate": "answering",
    "generate_together": "answering",
    "score": "reading the answer with both models",
    "compare": "comparing the models token by token",
}
FINISHED = re.compile(r"Finished jobid: \d+ \(Rule: (?P<rule>\S+)\)")
INTERRUPTED = 130  # exit code, as shells have it
LOCKED = "directory cannot be locked"


def make(targets: Sequence[str], overrides: Sequence[str], log: Path, console: Console) -> None:
    """Make `targets`; a UserError says what went wrong, as the workflow did. `console` is on stderr."""
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--quiet", "host", "reason", "--nocolor"]
    command += [*targets, "--config", f"hydra={json.dumps(list(overrides))}"]
    log.parent.mkdir(parents=True, exist_ok=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with (
        open(log, "w", encoding="utf-8", errors="backslashreplace") as file,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as run,
    ):
        steps, shown = Steps(), progress.add_task("starting the workflow", total=None)
        assert run.stdout is not None
        try:
            for line in run.stdout:
                file.write(line)
                if said := steps.see(line):
                    progress.update(shown, description=said)
                    if not console.is_terminal and steps.new:
                        console.print(said, markup=False, highlight=False)
        except KeyboardInterrupt:  # the terminal sent it to the workflow, too, which ends its jobs
            run.wait()
            raise SystemExit(INTERRUPTED) from None
    if run.returncode != 0:
        raise why(log)


class Steps:
    """What happens now, from what Snakemake says."""

    def __init__(self) -> None:
        self.new = False  # the last line began a step that was not told before
        self._now: list[str] = []
        self._told: set[str] = set()

    def see(self, line: str) -> str:
        """Take in a line; what is to be told now, nothing where that is what it was."""
        self.new = False
        if found := BLOCK.match(line.rstrip()):
            self._now.append(found["rule"])
        elif found := FINISHED.search(line):
            if found["rule"] in self._now:
                self._now.remove(found["rule"])
        elif "%|" in line and self._now:
            return visible(line.strip())  # the bar of a job
        else:
            return ""
        said = list(dict.fromkeys(STEPS[rule] for rule in self._now if rule in STEPS))
        self.new = not self._told.issuperset(said)
        self._told |= set(said)
        return ", ".join(said)


def why(log: Path) -> UserError:
    """The first error that the workflow told; else where to look for it."""
    text = log.read_text(encoding="utf-8")
    errors = [line.removeprefix("error: ") for line in text.splitlines() if line.startswith("error: ")]
    if errors:
        return UserError(visible(errors[0]))
    if LOCKED in text:
        return UserError("another run is at work in this folder", where=str(Path.cwd()), remedy="wait for its end")
    return UserError("the workflow stopped", where=str(log), remedy="its last lines say why")
