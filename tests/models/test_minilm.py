"""all-MiniLM-L6-v2 as it comes from PyPI: the neighbours that a person would name."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.project import ROOT

from superficial.config.experiment import Experiment
from superficial.config.schema import DuplicatesConfig, IndexStage, LocalCorpus, RetrieveStage, RuntimeConfig
from superficial.prompts.contents import neighbours_of
from superficial.prompts.retrieval import embedding_model, index, retrieve
from superficial.prompts.retrieval.embed import Embedder, load_embedder

RUNTIME = RuntimeConfig.model_construct(device="cpu")
CORPUS = {
    "baking": "What do I need to make a sourdough loaf in my oven?",
    "tax": "Which expenses can I deduct under German income tax law?",
    "moon": "Why does the moon change its shape?",
    "python": "Write a Python function that removes duplicates from a list.",
    "sleep": "I wake up at three every night. What helps?",
}


@pytest.fixture(scope="module")
def manifest() -> Path:
    """The model in this checkout, fetched if it is not there; keeps what an earlier run fetched."""
    out = ROOT / "results/embeddings/all_minilm_l6_v2/manifest.json"
    if not out.is_file():
        cfg = Experiment(ROOT / "config").embedding("all_minilm_l6_v2")
        embedding_model.run(cfg, RUNTIME, out=out)
    return out


@pytest.fixture(scope="module")
def embed(manifest: Path) -> Embedder:
    return load_embedder(manifest.parent, "cpu")


def test_the_manifest_says_what_the_model_is(manifest: Path):
    found = json.loads(manifest.read_text())
    card = (manifest.parent / "README.md").read_text()
    assert (found["licence"], found["dimensions"], found["max_tokens"]) == ("Apache-2.0", 384, 256)
    assert "license: apache-2.0" in card  # the model's own card; the wheel's MIT text is for the packaging
    assert not [file for file in manifest.parent.rglob("*") if file.suffix in (".py", ".bin")]


@pytest.mark.parametrize(
    ("query", "nearest"),
    [
        ("How do I bake bread?", "baking"),
        ("Are train tickets to work tax-deductible?", "tax"),
        ("What are the lunar phases?", "moon"),
        ("How can I drop repeated elements of an array in JavaScript?", "python"),
        ("Tips against insomnia, please", "sleep"),
    ],
)
def test_known_neighbours(embed: Embedder, query: str, nearest: str):
    similarity = embed(list(CORPUS.values())) @ embed([query])[0]
    assert similarity.shape == (5,)
    assert list(CORPUS)[int(similarity.argmax())] == nearest


def test_a_vector_depends_on_its_text_alone(embed: Embedder):
    texts = [*CORPUS.values(), "short", "long " * 400]
    vectors = embed(texts)
    assert vectors.shape == (7, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(embed(texts[::-1])[::-1], vectors, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([embed([text]) for text in texts]), vectors, atol=1e-5)


def test_the_demo_is_answered_with_examples_that_are_not_its_own(manifest: Path, tmp_path: Path):
    """The alignment data with demo instructions planted in it, reworded: they are excluded, their likes are found."""
    demo = [json.loads(line) for line in (ROOT / "resources/datasets/demo.jsonl").read_text().splitlines()][:12]
    path = tmp_path / "corpus.jsonl"
    planted = [
        {"id": f"leak-{row['id']}-{kind}", "instruction": text, "response": "leaked"}
        for row in demo
        for kind, text in {
            "exact": row["instruction"],
            "case": row["instruction"].upper(),
            "marks": row["instruction"].replace("?", " ?!").replace(",", " -"),
            "polite": row["instruction"] + " Thanks!",
        }.items()
    ]
    path.write_text(
        (ROOT / "resources/alignment/train.jsonl").read_text() + "".join(json.dumps(row) + "\n" for row in planted)
    )
    corpus = LocalCorpus(kind="local", path=str(path), id="id")
    out = [tmp_path / "index.faiss", tmp_path / "index.parquet"]
    index.run(IndexStage(corpus=corpus), RUNTIME, embedding=manifest, out=out)
    pd.DataFrame(demo)[["id", "instruction"]].to_parquet(tmp_path / "data.parquet")
    retrieve.run(
        RetrieveStage(k=3, duplicates=DuplicatesConfig()), RUNTIME, data=tmp_path / "data.parquet",
        embedding=manifest, index=out[0], corpus=out[1], out=tmp_path / "near.parquet",
    )  # fmt: skip
    near = neighbours_of(tmp_path / "near.parquet")
    # Its own only: what was planted for another instruction may well be its neighbour.
    assert not [one.id for example, found in near.items() for one in found if one.id.startswith(f"leak-{example}-")]
    excluded = pd.read_parquet(tmp_path / "near.parquet").set_index("id")["excluded"]
    assert all(
        set(excluded[row["id"]]) == {f"leak-{row['id']}-{kind}" for kind in ("exact", "case", "marks", "polite")}
        for row in demo
    )
    # "Why does the moon seem to change its shape over the course of a month?"
    assert "moon" in near["demo-02"][-1].instruction.casefold()
    assert near["demo-02"][-1].similarity > 0.6
