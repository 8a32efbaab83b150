import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"  # read when torch is imported: workers share the cores

from support.project import Project, make_models
from support.warm import warm

TESTS = Path(__file__).parent
# Property tests: always the same few inputs here, many others by `python -m tests.fuzz`.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "few", derandomize=True, max_examples=60, deadline=None, database=None, suppress_health_check=SLOW
)
settings.register_profile(
    "long", max_examples=1000, deadline=None, database=None, suppress_health_check=SLOW, print_blob=True
)
settings.load_profile("few")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C; tests send it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder of a test is its tier."""
    for item in items:
        tier = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else None
        if tier in ("pipeline", "models", "browser", "cluster", "vllm"):
            item.add_marker(tier)


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name`, made by the first worker that asks for it and shared by all of them."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    root = tmp_path_factory.getbasetemp()
    folder = (root if alone else root.parent) / name
    with FileLock(folder.with_suffix(".lock")):
        done = folder.with_suffix(".done")
        if not done.exists():
            assert not folder.exists(), f"{name} could not be made; the first test that asked for it says why"
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "tiny_models", make_models)


@pytest.fixture(scope="session", autouse=True)
def stages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The pipeline tier starts its stages from a process that has imported everything."""
    if not any(item.get_closest_marker("pipeline") for item in request.session.items):
        yield
        return
    with warm(once(tmp_path_factory, "warm", lambda _: None)) as Project.warm:
        yield
    Project.warm = None


@pytest.fixture
def project(tmp_path: Path, tiny_models: Path) -> Project:
    return Project(tmp_path / "project", tiny_models)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Project:
    """A finished run of everything. Tests read it and plan reruns; none changes it."""
    folder = once(tmp_path_factory, "finished", lambda empty: Project(empty / "project", tiny_models).made())
    return Project.at(folder / "project")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    from support.chromium import start

    driver = start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium: object, site: Path) -> Iterator[object]:
    """The pages of the module's `site`; whatever the browser logs fails the test."""
    from support.page import Page

    chromium.get_log("browser")
    yield Page(chromium, site)
    assert chromium.get_log("browser") == []
