"""Which cards of a machine a job sees: as many as it asks for, and none that another job has."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from superficial.pipeline import cards
from superficial.pipeline.cards import SEEN, cards_here, memory_gb, take_cards, visible

TAKER = """
import sys
from pathlib import Path
from superficial.pipeline.cards import SEEN, take_cards
import os
take_cards(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
print(os.environ.get(SEEN), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine with four cards, and a process that holds none of them in the end."""
    monkeypatch.delenv(SEEN, raising=False)
    folder = tmp_path / "dev"
    folder.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidia10", "nvidiactl", "nvidia-uvm"):
        (folder / name).touch()
    yield folder
    while cards._held:
        cards._held.pop().close()


def test_cards_are_counted_without_a_library(devices: Path, tmp_path: Path):
    assert visible({}, devices) == ["0", "1", "2", "10"]
    assert cards_here({}, devices) == 4
    assert cards_here({SEEN: "1, 10"}, devices) == 2
    assert visible({SEEN: "GPU-1a,GPU-2b"}, devices) == ["GPU-1a", "GPU-2b"]
    assert visible({SEEN: ""}, devices) == []
    if sys.platform != "darwin":
        assert cards_here({}, tmp_path / "nothing") == 0
        (tmp_path / "kfd").touch()
        assert cards_here({}, tmp_path) == 1


def test_the_smallest_card_that_is_seen_says_how_much_memory_there_is(
    devices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """By the driver's own program, a stand-in here; without cards, or without an answer, nothing is known."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    program = tmp_path / "nvidia-smi"

    def says(*lines: str, code: int = 0) -> None:
        program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines) + f"exit {code}\n")
        program.chmod(0o755)

    says("0, GPU-1a, 81559", "1, GPU-2b, 24576", "2, GPU-3c, 40960")
    assert memory_gb({}, devices) == pytest.approx(25.77, abs=0.01)
    assert memory_gb({SEEN: "0,2"}, devices) == pytest.approx(42.95, abs=0.01)
    assert memory_gb({SEEN: "GPU-1"}, devices) == pytest.approx(85.52, abs=0.01)
    assert memory_gb({SEEN: ""}, devices) is None
    assert memory_gb({}, tmp_path / "nothing") is None
    says("0, GPU-1a, [N/A]")
    assert memory_gb({}, devices) is None
    says("no driver", code=9)
    assert memory_gb({}, devices) is None


def start(wanted: int, locks: Path, devices: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TAKER, str(wanted), str(locks), str(devices)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def test_jobs_beside_each_other_take_different_cards(devices: Path, tmp_path: Path):
    """One that finds too few waits for another to end, and holds none meanwhile."""
    locks = tmp_path / "locks"
    first, second = start(2, locks, devices), start(1, locks, devices)
    assert first.stdout
    assert second.stdout
    seen = [one.readline().strip() for one in (first.stdout, second.stdout)]
    taken = [card for line in seen for card in line.split(",")]
    assert len(taken) == len(set(taken)) == 3
    large = start(3, locks, devices)  # one is left
    small = start(1, locks, devices)
    assert small.stdout
    assert large.stdout
    assert {*taken, small.stdout.readline().strip()} == {"0", "1", "2", "10"}
    assert large.poll() is None
    for process in (first, small):
        process.communicate()
    assert len(set(large.stdout.readline().strip().split(","))) == 3
    for process in (second, large):
        process.communicate()


@pytest.mark.parametrize("wanted", [0, 4, 9])
def test_who_wants_all_or_none_is_left_alone(wanted: int, devices: Path, tmp_path: Path):
    """Slurm has chosen then, or the job computes elsewhere."""
    take_cards(wanted, tmp_path / "locks", devices)
    assert SEEN not in os.environ
    assert not (tmp_path / "locks").exists()


def test_a_choice_is_made_among_what_the_user_shows(devices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(SEEN, "2,10")
    take_cards(1, tmp_path / "locks", devices)
    assert os.environ[SEEN] == "2"
