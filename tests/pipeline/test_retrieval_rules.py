"""The index belongs to its corpus: another dataset, or another number of neighbours, embeds no corpus again."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from support.project import WORDS, Project
from support.tiny_embedder import make_embedder

from superficial.prompts.contents import neighbours_of

NEAR = "results/retrieval/tiny/near.parquet"


@pytest.fixture(scope="module")
def retrieved(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Project:
    """A method with two neighbours, looked up in the alignment data of the repository."""
    project = Project(tmp_path_factory.mktemp("retrieval") / "project", tiny_models)
    make_embedder(
        project.folder / "embedder", [" ".join(WORDS), "write a poem about the sky and explain why it is blue"]
    )
    source = {"kind": "local", "path": str(project.folder / "embedder")}
    project.add("embedding/words", {"name": "words", "licence": "none", "source": source})
    set_value(project, "index/alignment", "embedding", "words")
    template = "Q: {instruction}\nA: "
    prompt = {"kind": "completion", "template": template, "closing": "\n\n"}
    prompt["neighbours"] = {"index": "alignment", "k": 2}
    project.add("method/near", {"name": "near", "title": "Near", "prompt": prompt})
    return project.made(NEAR)


def set_value(project: Project, name: str, key: str, value: object) -> None:
    """Change one value, KEY or KEY.KEY, of a file of config/."""
    whole = yaml.safe_load((project.folder / f"config/{name}.yaml").read_text())
    section = whole
    *path, last = key.split(".")
    for step in path:
        section = section[step]
    section[last] = value
    project.add(name, whole)


def test_every_instruction_has_its_neighbours(retrieved: Project):
    near = neighbours_of(retrieved.folder / NEAR)
    assert list(near) == pd.read_parquet(retrieved.folder / "results/data/tiny.parquet")["id"].tolist()
    assert all(len(found) == 2 for found in near.values())
    corpus = pd.read_parquet(retrieved.folder / "results/retrieval/index/alignment.parquet")
    assert {one.id for found in near.values() for one in found} <= set(corpus["id"])
    assert retrieved.planned(NEAR) == set()


def test_another_dataset_is_retrieved_and_no_index_made(retrieved: Project):
    assert retrieved.planned(NEAR, hydra=("dataset.limit=3",)) == {"data", "retrieve"}


@pytest.mark.parametrize(
    ("name", "key", "value", "rules"),
    [
        ("method/near", "prompt.neighbours.k", 3, {"retrieve"}),
        ("index/alignment", "duplicates.similarity", 0.9, {"retrieve"}),
        ("index/alignment", "corpus.response", "instruction", {"index", "retrieve"}),
        ("embedding/words", "licence", "MIT", {"embedding_model", "index", "retrieve"}),
    ],
)
def test_a_change_reruns_what_reads_it(retrieved: Project, name: str, key: str, value: object, rules: set[str]):
    file = retrieved.folder / f"config/{name}.yaml"
    before = file.read_text()
    try:
        set_value(retrieved, name, key, value)
        assert retrieved.planned(NEAR) == rules
    finally:
        file.write_text(before)
