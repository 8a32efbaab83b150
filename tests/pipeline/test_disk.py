"""Hidden states on the disk: once, and with `runtime.keep_states=false` not at all when they are compared."""

from pathlib import Path

import pytest
from support.project import Project

SHIFTS, OTHER = (f"results/shifts/tiny/tiny/{name}.parquet" for name in ("zero_shot", "system_only"))


def states(project: Project) -> list[Path]:
    return [
        file for folder in ("scores", ".states") for file in project.folder.glob(f"results/{folder}/**/*.safetensors")
    ]


@pytest.mark.parametrize("keep", [True, False])
def test_states_are_kept_once_or_not_at_all(project: Project, keep: bool):
    hydra = ("dataset.limit=2", "contexts=[system_only]", f"runtime.keep_states={str(keep).lower()}")
    project.made(SHIFTS, hydra=hydra)
    assert len({file.stat().st_ino for file in states(project)}) == (2 if keep else 0)
    before = (project.folder / SHIFTS).stat().st_mtime_ns
    if not keep:  # nothing is made again, until somebody needs the states
        project.made(SHIFTS, hydra=hydra)
        project.made(OTHER, hydra=hydra)
        assert (project.folder / SHIFTS).stat().st_mtime_ns == before
        assert (project.folder / OTHER).is_file()
        assert not states(project)
