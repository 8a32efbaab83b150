"""A judge whose server the job starts."""

import sys
from pathlib import Path

import pytest
from support.behind import FORWARD
from support.faulty import Faulty
from support.tiny import make_model

from superficial.artifacts.errors import UserError
from superficial.config.schema import ModelConfig
from superficial.config.schema.judge import AskedStarted
from superficial.config.schema.server import StartedConfig
from superficial.judging.judges.item import Item
from superficial.judging.judges.own_server import OwnServerJudge
from superficial.models.manifest import write_manifest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_model(tmp_path_factory.mktemp("models") / "tiny", seed=3, chat=True)
    about = {"name": "tiny", "title": "T", "licence": "MIT", "source": {"kind": "local", "path": str(folder)}}
    write_manifest(folder / "manifest.json", ModelConfig.model_validate(about))
    return folder / "manifest.json"


def judge(server: Faulty, manifest: Path, results: Path, **environment: str) -> OwnServerJudge:
    told = "--model {model} --name {name} --host {host} --port {port} --to"
    how = {
        "python": sys.executable, "packages": ["pytest"], "environment": {"VLLM_API_KEY": "{key}"} | environment,
        "command": " ".join(["{python}", "-I", "-S", str(FORWARD), told, server.base_url]),
    }  # fmt: skip
    folder = ROOT / "resources/judging"
    files = {kind: str(folder / "regular.txt") for kind in ("regular", "safety")}
    files |= {f"pairwise_{kind}": str(folder / "pairwise_regular.txt") for kind in ("regular", "safety")}
    asked = AskedStarted.model_validate(
        {
            "name": "own", "kind": "started", "model": "tiny", "length": 512, "command": how["command"],
            "prompt_files": files, "repair": str(folder / "repair.txt"), "max_tokens": 9,
        }
    )  # fmt: skip
    return OwnServerJudge(asked, StartedConfig.model_validate(how), manifest, "cpu", results)


ITEMS = [Item(f"i{n}", "regular", {"instruction": f"Say {n}.", "response": str(n)}) for n in range(3)]


def test_it_is_started_once_and_asked_once(manifest: Path, tmp_path: Path) -> None:
    seen: list[dict[str, object]] = []
    with Faulty(before=lambda path, body: seen.append(body)) as server:
        first = judge(server, manifest, tmp_path)
        found = first.scores(ITEMS)
        first._own.close()
        asked = len(seen)
        again = judge(server, manifest, tmp_path)
        assert again.scores(ITEMS) == found
        assert again._own.started is None
    assert {body["model"] for body in seen} == {"tiny"}
    assert len(seen) == asked == 2 * len(ITEMS)  # each is asked a second time for JSON


def test_a_server_that_dies_is_a_line_and_no_table_of_dashes(manifest: Path, tmp_path: Path) -> None:
    with Faulty() as server:
        one = judge(server, manifest, tmp_path, DIE_AFTER="1")
        with pytest.raises(UserError, match=r"died under way.*OutOfMemoryError"):
            one.scores(ITEMS)
