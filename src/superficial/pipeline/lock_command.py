"""The command `lock`: pin every revision of the hub that a run uses.

make lock ARGS="--config 'hydra=[pair=NAME]'"
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from superficial.artifacts.errors import UserError
from superficial.config.experiment import Experiment
from superficial.config.overrides import overrides_of
from superficial.config.revisions import COMMIT, NEWEST, RevisionLock, hub_kind, hub_sources
from superficial.config.schema import DatasetHub, HubSource
from superficial.config.schema.judge import LocalJudge
from superficial.models.hub import newest_commit
from superficial.pipeline.systems import about_published, all_scoring


def main(words: Sequence[str]) -> None:
    """Lock what is not locked yet and print a line for each revision; what is locked stays as it is."""
    if strange := [word for word in words if word != "--config" and not word.startswith("hydra=")]:
        raise UserError(f"{strange[0]!r} is not understood", where="lock", remedy="--config 'hydra=[KEY=VALUE,...]'")
    run = Experiment(Path("config"), overrides_of(words), locked=False)
    found = hub_sources_of(run)
    for source in found:
        print(_locked(source, run.lock))
    print(f"{run.lock.path}: {len(found)} revisions of the hub in this run")


def _locked(source: HubSource | DatasetHub, lock: RevisionLock) -> str:
    name, revision = f"{hub_kind(source)} {source.repo}", source.revision or NEWEST
    if COMMIT.fullmatch(revision):
        return lock.note(source) or f"{name}: the configuration names the commit {revision}"
    if kept := lock.commit(source):
        return f"{name}: {revision} stays at {kept}"
    lock.add(source, commit := newest_commit(source.repo, source.revision, kind=hub_kind(source)))
    return f"{name}: {revision} is now locked at {commit}"


def hub_sources_of(run: Experiment) -> list[HubSource | DatasetHub]:
    """What the run takes from the hub, each once: models, those of local judges, the dataset."""
    names = [] if about_published(run) else [model for model, _ in run.systems]
    names += [stage.name for pair in run.pairs.values() for stage in pair.stages.values()]
    judges = [run.judge(name) for name in all_scoring(run)]
    names += [judge.model for judge in judges if isinstance(judge, LocalJudge)]
    found: list[HubSource | DatasetHub] = [
        source for name in dict.fromkeys(names) for source in hub_sources(run.model(name))
    ]
    if run.instructions is None:
        found += hub_sources(run.settings.dataset)
    return list({(hub_kind(one), one.repo, one.revision): one for one in found}.values())


def tell_unlocked(run: Experiment) -> None:
    """A line on stderr for each revision of the run that the lock does not pin, or pins otherwise."""
    for source in hub_sources_of(run):
        if note := run.lock.note(source):
            print(f"note: {note}", file=sys.stderr)
