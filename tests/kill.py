"""Kill -9 and power cuts at random: `python -m tests.kill --rounds 500` (`--seed N --rounds 1` repeats one round).

A round takes one job of a finished run of everything on tiny models, deletes what it made with all that is kept, starts
it, kills it up to three times at random moments, lets the disk forget what was not flushed (support/power.py), and runs
it to its end. Then every artifact has its old bytes, no kept answer was made twice and no request was paid for twice.
"""

import argparse
import hashlib
import json
import random
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.faulty import Faulty
from support.killed import Watch, answers_in
from support.power import SAID, Kept, live, lose
from support.project import Project, make_models

from superficial.config.schema import Runtime
from superficial.inference.server.way import SAMPLE
from superficial.pipeline.stages import STAGES

NOWHERE = "http://127.0.0.1:9/v1"  # in the place of the address of our server
SERVED = (
    "engine=openai_server", f"engine.base_url={NOWHERE}", "engine.concurrency=3", "judge=local_server",
    f"judge.base_url={NOWHERE}", "judge.concurrency=3",
    "method.zero_shot.decoding.repetition_penalty=1", "method.urial_k3.decoding.repetition_penalty=1",
)  # fmt: skip
STORES = (".responses", ".states", ".shifts", ".judgments", ".requests")
VIEWS = (
    "figures/shift_ratio",
    "tables/scores",
    "figures/shift_browser",
    "report",
)  # of the views: all are written alike


@dataclass(frozen=True)
class Job:
    """A job of the workflow: its stage, and the words that start it."""

    stage: str
    words: list[str]

    @property
    def served(self) -> bool:
        """Whether a server answers."""
        return any(NOWHERE in word for word in self.words)

    @property
    def outputs(self) -> list[Path]:
        """What follows out=; of a figure or table all forms."""
        named = [Path(word.removeprefix("out=")) for word in self.words if word.startswith("out=")]
        return [form for path in named for form in (path, path.with_name(path.name + ".meta.json"))]


def jobs_of(project: Project) -> list[Job]:
    """A job of every kind of stage, and those of a server."""
    found: dict[tuple[str, bool], Job] = {}
    for hydra in ((), SERVED):
        planned = project.run(
            "figures/all",
            "report",
            hydra=hydra,
            arguments=("--dry-run", "--forceall", "--printshellcmds", "--quiet=host"),
        ).stdout
        for line in planned.splitlines():
            words = shlex.split(line.split("Shell command:")[-1]) if " --cfg " in line else []
            if "--cfg" not in words:
                continue
            words = words[words.index("--cfg") - 1 :]
            job = Job(words[0], words)
            seldom = job.served and job.stage not in ("generate", "judge")
            if job.stage in STAGES and not seldom and ("/" not in job.stage or job.stage in VIEWS):
                found.setdefault((job.stage, job.served), job)
    return list(found.values())


def hashes(results: Path) -> dict[str, str]:
    """sha256 of every artifact by its path, but for sidecars, logs and stores."""
    return {
        str(path): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(results.rglob("*"))
        if not (path := file.relative_to(results)).parts[0].startswith((".", "logs"))
        and file.is_file()
        and not file.name.startswith(".")
        and not file.name.endswith(".meta.json")
    }


class Killer:
    """Kills jobs of a finished project, in a copy of it."""

    def __init__(self, project: Project, folder: Path) -> None:
        from support.forks import CONTEXT

        CONTEXT.set_forkserver_preload([stage.module for stage in STAGES.values()])
        self._start = CONTEXT.Process
        self._project, self._folder = project, folder
        self.jobs = jobs_of(project)
        self._measured: dict[int, tuple[int, float, dict[str, str]]] = {}

    def round(self, seed: int) -> str:
        """One round; returns what happened, and raises AssertionError where something was lost or done twice."""
        chance, number = random.Random(seed), seed % len(self.jobs)
        job = self.jobs[number]
        if number not in self._measured:
            self._measured[number] = self._undisturbed(job)
        moments, seconds, expected = self._measured[number]
        work, told = self._copy(job), []
        with self._server(work, job) as (words, check):
            for _ in range(chance.randint(1, 3)):
                by_clock = chance.random() < 0.3
                at, wait = chance.randint(1, moments), chance.uniform(0, seconds)
                told.append(f"after {wait:.2f} s" if by_clock else f"moment {at} of {moments}")
                self._life(work, words, 0 if by_clock else at, wait if by_clock else None, chance)
            self._to_its_end(work, words, chance)
            check(len(told))
        found = hashes(work / "results")
        wrong = [name for name in expected if found.get(name) != expected[name]]
        assert not wrong, f"other bytes: {wrong[:5]}"
        missing = [out for out in expected_of(job, self._project) if not (work / out).is_file()]
        assert not missing, f"missing: {missing[:5]}"
        for store in (work / "results").glob(".[rj]*/*.jsonl"):
            twice = [key for key, times in Counter(keys_in(store)).items() if times > 1]
            assert not twice, f"made twice: {store.name}, {twice[:3]}"
        shutil.rmtree(work)
        return f"{job.stage}{' (served)' if job.served else ''}: killed {', '.join(told)}"

    def _copy(self, job: Job) -> Path:
        work = Path(tempfile.mkdtemp(dir=self._folder))
        for path in self._project.folder.iterdir():
            if path.name == "results":
                shutil.copytree(path, work / "results", ignore=shutil.ignore_patterns(*STORES, "logs", "report.html"))
            elif path.name != ".snakemake":
                (work / path.name).symlink_to(path.resolve())
        for out in expected_of(job, self._project):
            (work / out).unlink()
        return work

    def _undisturbed(self, job: Job) -> tuple[int, float, dict[str, str]]:
        work = self._copy(job)
        with self._server(work, job) as (words, check):
            began = time.monotonic()
            self._to_its_end(work, words, random.Random(0))
            seconds = time.monotonic() - began
            check(0)
        (*_, (_, moments)) = [json.loads(line) for line in (work / "journal").read_text().splitlines()]
        found = hashes(work / "results")
        if not job.served:
            before = hashes(self._project.folder / "results")
            other = [name for name in before if found.get(name) != before[name]]
            assert not other, f"{job.stage} repeats itself with other bytes: {other[:5]}"
        shutil.rmtree(work)
        return moments, seconds, found

    def _to_its_end(self, work: Path, words: list[str], chance: random.Random) -> None:
        """Run a job that nobody kills."""
        code = self._life(work, words, 0, None, chance)
        assert code == 0, f"it does not go on ({code}): {said(work)} | {shlex.join(words)}"

    def _life(self, work: Path, words: list[str], die_at: int, wait: float | None, chance: random.Random) -> int | None:
        attic, journal = work / "attic", work / "journal"
        shutil.rmtree(attic, ignore_errors=True)
        attic.mkdir()
        journal.unlink(missing_ok=True)
        journal.touch()
        kept = Kept.everything(work / "results", attic)
        process = self._start(target=live, args=(str(work), words, str(journal), str(attic), die_at))
        process.start()
        process.join(wait)
        process.kill()
        process.join()
        kept.learn(journal)
        lose(work / "results", kept, attic, chance)  # the power fails right after its end, whichever that is
        for store, key in kept.promised:
            held = Path(store).read_text(errors="replace") if Path(store).is_file() else ""
            assert f'"{key}"' in held, f"lost: {store}, {key}"
        return process.exitcode

    @contextmanager
    def _server(self, work: Path, job: Job) -> Iterator[tuple[list[str], object]]:
        """Yields the job's words with the server's address, and what checks that nothing was paid for twice."""
        if not job.served:
            yield job.words, lambda kills: None
            return
        ledgers = work / "results/.requests"
        asked_though_stored: list[str] = []

        def before(path: str, body: dict[str, object]) -> None:
            for ledger in ledgers.glob("*.jsonl"):
                watch = Watch(ledger)
                watch.cfg = cfg
                watch(path, body)
                asked_though_stored.extend(watch.asked_though_stored)

        with Faulty(before=before) as server:
            words = [word.replace(NOWHERE, server.base_url) for word in job.words]
            runtime = Runtime.model_validate_json(words[words.index("--runtime") + 1])
            judge = json.loads(words[words.index("--cfg") + 1]).get("judge", {}).get("name", "")
            cfg = runtime.judges.get(judge) or runtime.engine.serving(words_model(words))  # type: ignore[union-attr]

            def check(kills: int) -> None:
                assert asked_though_stored == [], "asked for what was stored"
                count = sum(len(answers_in(ledger)) for ledger in ledgers.glob("*.jsonl"))
                asked = sum(times for payload, times in server.asked.items() if not is_probe(payload))
                assert asked <= count + kills * cfg.concurrency, f"{asked} requests for {count} answers"

            yield words, check


def said(work: Path) -> str:
    """What the last process printed."""
    return (work / SAID).read_text(errors="replace").strip()[-2000:]


def expected_of(job: Job, project: Project) -> list[Path]:
    """The outputs that a job has in the finished project; not every form has a sidecar."""
    return [out for out in job.outputs if (project.folder / out).is_file()]


def is_probe(payload: str) -> bool:
    """Whether a request finds out what the server does. This server answers nothing that one could learn from."""
    prompt = json.loads(payload).get("prompt")
    return isinstance(prompt, list) or prompt == SAMPLE


def words_model(words: list[str]) -> str:
    """The model that a generate job is about."""
    return next(Path(word).parent.name for word in words if word.startswith("model="))


def keys_in(store: Path) -> Iterator[str]:
    """Keys of the whole lines of a store."""
    for line in store.read_bytes().split(b"\n"):
        try:
            yield str(json.loads(line)["key"])
        except (ValueError, KeyError, TypeError):
            continue


def main() -> int:
    """Kill as often as asked for; the exit code is 1 where something was lost or made twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description="Kill jobs at random moments.")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each further one counts on")
    parser.add_argument("--project", type=Path, help="a finished project of the tests; by default one is made")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if given.project is None:
            (place / "models").mkdir()
            project = Project(place / "project", make_models(place / "models")).made()
        else:
            project = Project.at(given.project)
        killer, failed = Killer(project, place), 0
        for seed in range(given.seed, given.seed + given.rounds):
            try:
                print(f"seed {seed}: {killer.round(seed)}", flush=True)
            except AssertionError as error:
                failed += 1
                job = killer.jobs[seed % len(killer.jobs)]
                print(f"seed {seed}: {job.stage}: FAILED: {error}", flush=True)
    print(f"{given.rounds} rounds over {len(killer.jobs)} kinds of jobs, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
