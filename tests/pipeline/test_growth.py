"""A run that grows computes what is new, counted in tokens decoded and items judged."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from support.project import Project

SMALL = ("dataset.limit=4", "methods=[zero_shot]")
GROWN = ("methods=[zero_shot,system_only]", "pairs=[tiny,second]", "trust.beside=[strict]")
BASE, ALIGNED, TWIN = "tiny_base/zero_shot", "tiny_aligned/aligned", "tiny_twin/aligned"
SHIFTS = "results/shifts/tiny/tiny/zero_shot.parquet"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> tuple[Project, dict[str, bytes]]:
    """Four instructions, then six, another method, pair and judge; and all files of the first run."""
    project = Project(tmp_path_factory.mktemp("grown") / "project", tiny_models)
    project.add_model("tiny_twin", {"kind": "local", "path": str(tiny_models / "aligned")})
    project.add_pair("second", "tiny_base", "tiny_twin")
    judge = yaml.safe_load((project.folder / "config/judge/tiny.yaml").read_text())
    project.add("judge/strict", judge | {"name": "strict", "max_tokens": 2})
    project.made(judgments("tiny", BASE), judgments("tiny", ALIGNED), SHIFTS, hydra=SMALL)
    results = project.folder / "results"
    before = {str(file.relative_to(results)): file.read_bytes() for file in results.rglob("*") if file.is_file()}
    project.made(judgments("tiny", BASE), judgments("tiny", ALIGNED), hydra=GROWN)
    # By itself: two jobs at a time do not see each other's answers.
    new = [judgments("tiny", TWIN), judgments("strict", BASE)]
    project.made(*new, "results/responses/tiny/tiny_base/system_only.parquet", hydra=GROWN)
    project.made(SHIFTS, hydra=GROWN)
    return project, before


def judgments(judge: str, system: str) -> str:
    return f"results/judgments/tiny/{judge}/{system}.parquet"


def answers(project: Project, system: str) -> pd.DataFrame:
    return pd.read_parquet(project.folder / f"results/responses/tiny/{system}.parquet").set_index("id")


def decoded(project: Project, system: str) -> int:
    meta = project.folder / f"results/responses/tiny/{system}.parquet.meta.json"
    return int(json.loads(meta.read_text())["new_tokens"])


@pytest.mark.parametrize("systems", [[BASE], [ALIGNED, TWIN]])
def test_only_new_instructions_are_decoded(grown: tuple[Project, dict[str, bytes]], systems: list[str]):
    """One model under two names answers once, whichever name comes first."""
    project, before = grown
    table = answers(project, systems[0])
    assert len(table) == 6
    new = table["token_ids"].map(len)[["tiny-4", "tiny-5"]].sum()
    assert sum(decoded(project, system) for system in systems) == new > 0
    first = json.loads(before[f"responses/tiny/{systems[0]}.parquet.meta.json"])
    assert first["new_tokens"] == table["token_ids"].map(len).iloc[:4].sum()
    for other in systems[1:]:
        pd.testing.assert_frame_equal(answers(project, other), table)
    assert decoded(project, "tiny_base/system_only") > 0


def test_only_new_answers_are_compared(grown: tuple[Project, dict[str, bytes]]):
    project, before = grown
    lengths = answers(project, ALIGNED)["token_ids"].map(len)
    facts = json.loads((project.folder / f"{SHIFTS}.meta.json").read_text())
    assert facts["tokens"] == lengths.sum()
    assert facts["compared_tokens"] == lengths[["tiny-4", "tiny-5"]].sum() > 0
    first = json.loads(before[f"{SHIFTS.removeprefix('results/')}.meta.json"])
    assert first["compared_tokens"] == first["tokens"] == lengths.iloc[:4].sum()


def test_models_are_not_made_again(grown: tuple[Project, dict[str, bytes]]):
    project, before = grown
    for model in ("tiny_base", "tiny_aligned", "tiny_judge"):
        meta = f"models/{model}/manifest.json.meta.json"
        assert (project.folder / "results" / meta).read_bytes() == before[meta]


def test_only_new_answers_are_judged(grown: tuple[Project, dict[str, bytes]]):
    """Each judge has read every answer once: what stood in its store stands there still, and the new ones follow."""
    project, before = grown
    shown = {system: set(answers(project, system)["text"].items()) for system in (BASE, ALIGNED, TWIN)}
    read = {"tiny": len(set().union(*shown.values())), "strict": len(shown[BASE])}
    stores = sorted((project.folder / "results/.judgments").glob("*.jsonl"))
    keys = {file: [json.loads(line)["key"] for line in file.read_text().splitlines() if line] for file in stores}
    assert sorted(map(len, keys.values())) == sorted(read.values())
    for file, found in keys.items():
        assert len(set(found)) == len(found)
        assert file.read_bytes().startswith(before.get(f".judgments/{file.name}", b""))
    assert sum(f".judgments/{file.name}" in before for file in stores) == 1
