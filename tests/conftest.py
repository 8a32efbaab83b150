import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
os.environ["HF_HUB_OFFLINE"] = "1"

from project import Project, make_models


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder of a test is its tier."""
    for item in items:
        tier = Path(item.path).parent.name
        if Path(__file__).parent in Path(item.path).parents and tier in ("pipeline", "models", "browser", "cluster"):
            item.add_marker(tier)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Project:
    """A run through figures/all, made once and read by many tests: none of them may change it."""
    return Project(tmp_path_factory.mktemp("finished") / "project", tiny_models).made()


@pytest.fixture
def project(tmp_path: Path, tiny_models: Path) -> Project:
    return Project(tmp_path / "project", tiny_models)
