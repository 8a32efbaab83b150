"""Retrieval ICL: what is near is found, what is the query itself never is, and equal runs give equal bytes."""

import json
import random
import string
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.project import ROOT
from support.tiny_embedder import make_embedder

from superficial.artifacts.errors import UserError
from superficial.config.schema import (
    DuplicatesConfig,
    EmbeddingConfig,
    IndexStage,
    LocalCorpus,
    LocalSource,
    RetrieveStage,
    RuntimeConfig,
)
from superficial.prompts.contents import Neighbour, neighbours_of
from superficial.prompts.retrieval import embedding_model, index, retrieve
from superficial.prompts.retrieval.corpus import read_corpus
from superficial.prompts.retrieval.duplicates import is_duplicate, overlap
from superficial.prompts.retrieval.embed import load_embedder

RUNTIME = RuntimeConfig.model_construct(device="cpu")
QUERY = "How do I keep a tomato plant alive on a windy balcony in summer?"
PLANTED = {
    "exact": QUERY,
    "case": QUERY.upper(),
    "punctuation": "how do I keep a tomato plant alive, on a windy balcony, in summer",
    "space": "  How do I keep a  tomato plant alive\non a windy balcony in summer ? ",
    "one-word": "How can I keep a tomato plant alive on a windy balcony in summer?",
    "noun": "How do I keep a pepper plant alive on a windy balcony in summer?",
    "last-word": "How do I keep a tomato plant alive on a windy balcony in winter?",
}
SIMILAR = {
    "similar-1": "Which tomato plant grows best on a balcony?",
    "similar-2": "What does a plant need in summer?",
    "similar-3": "Is a windy balcony bad for herbs?",
}
OTHER = {
    "other-1": "Explain compound interest to a child.",
    "other-2": "Write a poem about rain.",
    "other-3": "Who painted this ceiling?",
    "other-4": "Sort these numbers with Python.",
}
TEXTS = {**OTHER, **PLANTED, **SIMILAR}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of an embedding model made by the stage."""
    folder = tmp_path_factory.mktemp("embedder")
    make_embedder(folder / "tiny", list(TEXTS.values()))
    source = LocalSource(kind="local", path=str(folder / "tiny"))
    out = folder / "results/tiny/manifest.json"
    embedding_model.run(EmbeddingConfig(name="tiny", licence="none", source=source), RUNTIME, out=out)
    return out


def write_corpus(path: Path, texts: dict[str, str]) -> LocalCorpus:
    rows = [{"name": name, "ask": text, "say": f"Answer to {name}."} for name, text in texts.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return LocalCorpus(kind="local", path=str(path), id="name", instruction="ask", response="say")


def made(
    folder: Path, model: Path, texts: dict[str, str], queries: dict[str, str], k: int, duplicates: DuplicatesConfig
) -> Path:
    """Index and retrieve, as the workflow does; gives the file of neighbours."""
    folder.mkdir(exist_ok=True)
    corpus = write_corpus(folder / "corpus.jsonl", texts)
    out = [folder / "index.faiss", folder / "index.parquet"]
    index.run(IndexStage(corpus=corpus), RUNTIME, embedding=model, source=Path(corpus.path), out=out)
    pd.DataFrame({"id": list(queries), "instruction": list(queries.values())}).to_parquet(folder / "data.parquet")
    cfg = RetrieveStage(k=k, duplicates=duplicates)
    retrieve.run(
        cfg, RUNTIME, data=folder / "data.parquet", embedding=model, index=out[0], corpus=out[1],
        out=folder / "near.parquet",
    )  # fmt: skip
    return folder / "near.parquet"


def test_no_planted_duplicate_leaks_and_similar_examples_stay(model: Path, tmp_path: Path):
    path = made(tmp_path, model, TEXTS, {"q": QUERY}, 3, DuplicatesConfig())
    neighbours = neighbours_of(path)["q"]
    assert {near.id for near in neighbours} == set(SIMILAR)
    assert set(pd.read_parquet(path)["excluded"][0]) == set(PLANTED)
    # In the order of the prompt: the most similar stands next to the query.
    assert [near.similarity for near in neighbours] == sorted(near.similarity for near in neighbours)
    assert neighbours[-1] == Neighbour(
        "similar-1", SIMILAR["similar-1"], "Answer to similar-1.", pytest.approx(0.7, abs=0.25)
    )


@pytest.mark.parametrize("name", PLANTED)
def test_text_alone_gives_a_duplicate_away(name: str):
    """An embedding model that is blind to it does not open a leak, in either direction."""
    limits = DuplicatesConfig()
    assert is_duplicate(QUERY, PLANTED[name], 0.0, limits)
    assert is_duplicate(PLANTED[name], QUERY, 0.0, limits)


@pytest.mark.parametrize("name", [*SIMILAR, *OTHER])
def test_similarity_alone_gives_a_duplicate_away(name: str):
    limits = DuplicatesConfig(similarity=0.9)
    assert not is_duplicate(QUERY, TEXTS[name], 0.89, limits)
    assert is_duplicate(QUERY, TEXTS[name], 0.9, limits)


def test_the_default_overlap_parts_rewording_from_likeness():
    """On the project's own instructions: one word swapped is caught nearly always (92 %), two different ones nearly never."""
    rows = (ROOT / "resources/alignment/train.jsonl").read_text().splitlines()
    texts = [json.loads(row)["instruction"] for row in rows]
    draw, limit = random.Random(0), DuplicatesConfig().overlap
    vocabulary = [word.strip(string.punctuation) for text in texts for word in text.split()]
    caught = 0
    for text in texts:
        words = text.split()
        words[draw.randrange(len(words))] = draw.choice(vocabulary)
        caught += overlap(text, " ".join(words)) >= limit
    assert caught / len(texts) > 0.9
    sample = texts[::3]
    alike = sum(overlap(left, right) >= limit for at, left in enumerate(sample) for right in sample[:at])
    assert alike <= 1


def test_equal_runs_give_equal_bytes(model: Path, tmp_path: Path):
    queries = {"q": QUERY, "p": "Which poem explains rain to a child?"}
    for name in ("one", "two"):
        made(tmp_path / name, model, TEXTS, queries, 3, DuplicatesConfig())
    for file in ("index.faiss", "index.parquet", "near.parquet"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    meta = json.loads((tmp_path / "one/index.faiss.meta.json").read_text())
    assert {Path(file).name for file in meta["outputs"]} == {"index.faiss", "index.parquet"}


def test_order_changes_no_neighbour(model: Path, tmp_path: Path):
    queries = {"q": QUERY, "p": "Which poem explains rain to a child?", "r": "Sort plant herbs by interest in Python"}
    one = neighbours_of(made(tmp_path / "one", model, TEXTS, queries, 4, DuplicatesConfig()))
    turned = [dict(reversed(entries.items())) for entries in (TEXTS, queries)]
    two = neighbours_of(made(tmp_path / "two", model, *turned, 4, DuplicatesConfig()))
    alone = neighbours_of(made(tmp_path / "three", model, TEXTS, {"p": queries["p"]}, 4, DuplicatesConfig()))
    assert list(two) == list(reversed(one))
    for name in queries:
        assert [near.id for near in one[name]] == [near.id for near in two[name]]
    assert [near.id for near in alone["p"]] == [near.id for near in one["p"]]


def test_a_larger_k_adds_examples_before_the_others(model: Path, tmp_path: Path):
    near = [
        neighbours_of(made(tmp_path / str(k), model, TEXTS, {"q": QUERY}, k, DuplicatesConfig()))["q"] for k in (2, 5)
    ]
    assert near[1][-2:] == near[0]


def test_the_search_goes_deeper_than_any_number_of_duplicates(model: Path, tmp_path: Path):
    many = {f"copy-{number}": QUERY + " " * number for number in range(150)}
    path = made(tmp_path, model, {**many, **SIMILAR}, {"q": QUERY}, 3, DuplicatesConfig())
    assert {near.id for near in neighbours_of(path)["q"]} == set(SIMILAR)
    assert len(pd.read_parquet(path)["excluded"][0]) == 150
    with pytest.raises(UserError, match=r"instruction q: only 3 of 4 neighbours"):
        made(tmp_path, model, {**many, **SIMILAR}, {"q": QUERY}, 4, DuplicatesConfig())
    with pytest.raises(UserError, match=r"4 neighbours of a corpus of 3 .*lower"):
        made(tmp_path, model, SIMILAR, {"q": QUERY}, 4, DuplicatesConfig())


def test_no_example_is_shown_twice(model: Path, tmp_path: Path):
    copies = {f"copy-{at}": SIMILAR["similar-1"].upper() + "!" * at for at in range(40)}
    near = neighbours_of(made(tmp_path, model, {**copies, **OTHER}, {"q": QUERY}, 3, DuplicatesConfig()))["q"]
    assert near[-1].id.startswith("copy-")
    assert {one.id for one in near[:-1]} < set(OTHER)
    with pytest.raises(UserError, match=r"instruction q: only 1 of 2 .* or of each other"):
        made(tmp_path, model, copies, {"q": QUERY}, 2, DuplicatesConfig())


def test_vectors_are_unit_float32_and_equal_one_by_one(model: Path):
    embed = load_embedder(model.parent, "cpu")
    texts = list(TEXTS.values())
    together = embed(texts)
    assert together.dtype == np.float32
    assert together.shape == (len(texts), json.loads(model.read_text())["dimensions"])
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(together, np.concatenate([embed([text]) for text in texts]), atol=1e-6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"line 2: no JSON"),
        ('{"id": "b", "instruction": "x"}', r"line 2: no field 'response' .*name one of id, instruction in"),
        ('{"id": "b", "instruction": 5, "response": "y"}', r"line 2, key instruction: 5 is no text"),
        ('{"id": "b", "instruction": "\\ud83d", "response": "y"}', r"line 2, key instruction: a lone surrogate"),
        ('{"id": "a", "instruction": "x", "response": "y"}', r"line 2: id 'a' came before"),
        ("[]", r"line 2: list is no JSON object"),
    ],
)
@pytest.mark.fault("files", "the corpus of retrieval is wrong", "one line that names file, key and remedy; exit code 2")
def test_a_bad_corpus_is_named_in_one_line(tmp_path: Path, line: str, message: str):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "a", "instruction": "x", "response": "y"}\n' + line + "\n")
    with pytest.raises(UserError, match=message):
        read_corpus(path, LocalCorpus(kind="local", path=str(path), id="id"))


def test_a_parquet_corpus_is_read_like_jsonl(tmp_path: Path):
    columns = write_corpus(tmp_path / "corpus.jsonl", SIMILAR)
    pd.read_json(tmp_path / "corpus.jsonl", lines=True).to_parquet(tmp_path / "corpus.parquet")
    expected, _ = read_corpus(tmp_path / "corpus.jsonl", columns)
    pd.testing.assert_frame_equal(read_corpus(tmp_path / "corpus.parquet", columns)[0], expected)
    numbered, _ = read_corpus(tmp_path / "corpus.parquet", columns.model_copy(update={"id": None}))
    assert numbered["id"].tolist() == ["1", "2", "3"]
    pd.read_json(tmp_path / "corpus.jsonl", lines=True).assign(name=[7, 8, 9]).to_parquet(tmp_path / "integers.parquet")
    assert read_corpus(tmp_path / "integers.parquet", columns)[0]["id"].tolist() == ["7", "8", "9"]
    with pytest.raises(UserError, match=r"no column 'answer' .*name one of name, ask, say"):
        read_corpus(tmp_path / "corpus.parquet", columns.model_copy(update={"response": "answer"}))


def test_what_datasets_of_the_hub_hold_is_read(tmp_path: Path):
    """A byte order mark, lists, CSV, and blank rows, which are no examples and counted."""
    path, columns = tmp_path / "corpus.jsonl", LocalCorpus(kind="local", path="")
    row, blank = {"instruction": "x", "response": "y"}, {"instruction": "z", "response": None}
    path.write_text(f"{json.dumps(row)}\r\n{json.dumps(blank)}\n", encoding="utf-8-sig")
    expected, left_out = read_corpus(path, columns)
    assert expected.to_dict("records") == [{"id": "1", **row}]
    assert left_out == 1
    (tmp_path / "corpus.json").write_text(json.dumps([row, blank]))
    (tmp_path / "corpus.csv").write_text("instruction,response\nx,y\nz,\n")
    pd.DataFrame([row, blank]).to_parquet(tmp_path / "corpus.parquet")
    for suffix in ("json", "csv", "parquet"):
        found, left_out = read_corpus(tmp_path / f"corpus.{suffix}", columns)
        pd.testing.assert_frame_equal(found, expected)
        assert left_out == 1
    path.write_text(json.dumps(blank))
    with pytest.raises(UserError, match="all 1 rows are blank"):
        read_corpus(path, columns)
    path.write_bytes("Ä".encode("latin-1"))
    with pytest.raises(UserError, match="line 1: not UTF-8"):
        read_corpus(path, columns)
    (tmp_path / "broken.parquet").write_text("PAR")
    with pytest.raises(UserError, match="no Parquet"):
        read_corpus(tmp_path / "broken.parquet", columns)
