"""`superficial COMMAND`, for people, and `python -m superficial STAGE`, which the workflow's rules call.

Errors end in one line: exit code 2 for those of the user's, 1 for others.
"""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from superficial.artifacts.errors import UserError
from superficial.artifacts.job import doing
from superficial.artifacts.job_log import INTERRUPTED, crash, logged, say
from superficial.artifacts.shard import Shard
from superficial.config.schema import Runtime
from superficial.config.validation import nearest
from superficial.pipeline.cards import take_cards
from superficial.pipeline.commands import COMMANDS, OWN, as_snakemake, overview
from superficial.pipeline.job_errors import remember, remembered
from superficial.pipeline.project import enter_project
from superficial.pipeline.stages import STAGES, code_of

MISTAKE = 2  # exit code of an error of the user's
DEBUG = "--debug"
HELP = {"-h", "--help"}
NO_MEMORY = "can't allocate memory"  # what torch says of a processor's memory
READS = "reads"  # files that a stage finds by itself: given for the sidecar only
Slice = TypeVar("Slice", bound=BaseModel)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage, or a command for people; returns the exit code: 2 for a mistake, 1 for any other error.

    Either ends in one line. With --debug it is told where an error came from, too.
    """
    # Only model folders may be read. The hub is asked by models/hub.py alone, if the user allows it.
    os.environ.setdefault("SUPERFICIAL_HUB_OFFLINE", os.environ.get("HF_HUB_OFFLINE", "0"))
    os.environ["HF_HUB_OFFLINE"] = "1"
    given = sys.argv[1:] if arguments is None else list(arguments)
    words, debug = [word for word in given if word != DEBUG], DEBUG in given
    try:
        if not is_stage(words):
            return _told(lambda: command(words), words, debug)
        if said := remembered(words):
            say(said)
            return MISTAKE
        return _told(lambda: _stage(words, debug), words, debug)
    except BrokenPipeError:  # whoever read what was printed has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        say(f"{crash(error)} | {DEBUG} tells where it came from")
        return 1


def _stage(words: Sequence[str], debug: bool) -> int:
    """Run one stage."""
    parser = argparse.ArgumentParser(
        prog="python -m superficial",
        description="Run one stage of the workflow.",
        epilog=f"With {DEBUG} an error tells where it came from.",
    )
    parser.add_argument("stage", choices=sorted(STAGES))
    parser.add_argument("--cfg", required=True, help="the stage's slice of the configuration, JSON")
    parser.add_argument("--runtime", required=True, help="device and batch sizes, JSON")
    parser.add_argument("--log", type=Path, help="file for all that is said; by default it stays in the terminal")
    parser.add_argument("--threads", type=int, help="CPU threads for the numerical libraries")
    parser.add_argument("--cards", type=int, default=0, help="cards that this job may use, of those that are there")
    parser.add_argument(
        "--shard", type=Shard.parse, metavar="I-of-N", help="do a part of the work, and write no artifact"
    )
    parser.add_argument("files", nargs="*", metavar="NAME=PATH", help="inputs and outputs by name")
    given = parser.parse_intermixed_args(words)
    if given.threads:
        # `--cores 8` on a machine with two cores must not start eight threads: they would only wait for each other.
        os.environ["OMP_NUM_THREADS"] = str(min(given.threads, os.cpu_count() or 1))
    # Clusters often ask OpenMP to bind threads to cores. Then all threads of ours would share the core of the first.
    os.environ["OMP_PROC_BIND"] = "false"
    take_cards(given.cards)
    stage = STAGES[given.stage]
    files = named_files(given.files)
    cfg, runtime = _read(stage.config, given.cfg, "--cfg"), _read(Runtime, given.runtime, "--runtime")
    with logged(given.log, debug=debug), doing(files, code_of(given.stage)):
        files.pop(READS, None)
        if given.shard:
            return _told(lambda: stage.share(cfg, runtime, given.shard, **files), words, debug)
        return _told(lambda: stage.run(cfg, runtime, **files), words, debug)


def is_stage(words: Sequence[str]) -> bool:
    """Whether a rule asks for a stage: `report` is a command, too, and a rule always gives `--cfg`."""
    return bool(words) and words[0] in STAGES and (words[0] not in COMMANDS or "--cfg" in words)


def command(words: Sequence[str]) -> int | None:
    """Do what a person asks for, in the folder of the project; without a command, list them."""
    if not words or words[0] in HELP:
        print(overview(), end="")
        return 0
    name, *rest = words
    asked = COMMANDS.get(name) or OWN.get(name)
    if asked is None:
        raise UserError(f"no command {name!r}", where="superficial", remedy=nearest(name, list(COMMANDS), "commands"))
    if not HELP.isdisjoint(rest):
        print(asked.help(name), end="")
        return 0
    if name != "verify" or not (rest or Path("results").is_dir()):  # results may be verified wherever they lie
        rest = enter_project(rest)
    done: int | None = importlib.import_module(asked.module).main(as_snakemake(rest) if asked.planned else rest)
    return done


def _read(kind: type[Slice], text: str, option: str) -> Slice:
    """An option that holds a part of the configuration."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{key}: {first['msg']}" if key else first["msg"], where=option,
            remedy="let the workflow start the stage, or give it what `snakemake -n -p` prints",
        ) from error  # fmt: skip


def _told(work: Callable[[], int | None], words: Sequence[str], debug: bool) -> int:
    """Do it and return its exit code; an error of the user's is told in one line, and left for the workflow."""
    try:
        try:
            return work() or 0
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and NO_MEMORY not in str(error):
                raise
            remedy = "set smaller runtime.generate_batch, score_tokens or position_chunk, or take a larger machine"
            raise UserError("this machine has too little memory for it", where=words[0], remedy=remedy) from error
    except UserError as error:
        if debug:
            traceback.print_exc()
        say(f"error: {error}")
        remember(f"error: {error}", words)
        return MISTAKE
    except KeyboardInterrupt:
        say(INTERRUPTED)
        return 130


def named_files(words: Sequence[str]) -> dict[str, Path | list[Path]]:
    """Files by name: NAME=PATH, or NAME=PATH PATH ... for several; an empty path is an input that this job lacks.

    >>> named_files(["a=x", "b=y", "z", "c="])
    {'a': PosixPath('x'), 'b': [PosixPath('y'), PosixPath('z')], 'c': []}
    """
    found: dict[str, list[Path]] = {}
    name = ""
    for word in words:
        before, equals, after = word.partition("=")
        if equals and before.isidentifier():  # not so in a path like runs/lr=1/file
            name, word = before, after
        found.setdefault(name, []).extend([Path(word)] if word else [])
    return {name: paths[0] if len(paths) == 1 else paths for name, paths in found.items()}


if __name__ == "__main__":
    sys.exit(main())
