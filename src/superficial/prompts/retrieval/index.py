"""The index stage: a corpus, embedded once, whatever dataset will ask it."""

import time
from pathlib import Path
from typing import Any

import faiss

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import whole_file, write_sidecar
from superficial.artifacts.table import write_table
from superficial.config.schema import HubCorpus, IndexStage, LocalCorpus, RuntimeConfig
from superficial.models.hub import snapshot
from superficial.models.manifest import read_manifest
from superficial.prompts.retrieval.corpus import read_corpus
from superficial.prompts.retrieval.embed import load_embedder


def run(cfg: IndexStage, runtime: RuntimeConfig, *, embedding: Path, out: list[Path], source: object = ()) -> None:
    """Write `out`: the vectors (FAISS, flat, inner product) and the corpus (Parquet: id, instruction, response).

    Row i of the one is row i of the other. `embedding` is the manifest of the embedding model; `source` is the file
    of a local corpus, which is given so that an edit of it is seen.
    """
    started = time.monotonic()
    manifest = read_manifest(embedding)
    vectors_out, corpus_out = out
    file = _corpus_file(cfg.corpus)
    corpus, left_out = read_corpus(file, cfg.corpus)
    vectors = load_embedder(embedding.parent, runtime.device)(corpus["instruction"].tolist())
    # Exact search: a corpus that fits an example-picking task (up to a few million rows) needs no approximation.
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    with whole_file(vectors_out) as partial:
        faiss.write_index(index, str(partial))
    write_table(corpus, corpus_out)
    facts: dict[str, Any] = {"examples": len(corpus), "left_out": left_out, "dimensions": vectors.shape[1]}
    facts["licence"] = manifest["licence"]
    facts["libraries"] = {"faiss": faiss.__version__}
    inputs = {"embedding": embedding, "corpus": file}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="index", config=config, inputs=inputs, started=started, facts=facts)


def _corpus_file(corpus: LocalCorpus | HubCorpus) -> Path:
    """The corpus on this disk; what comes from the hub lies in its cache."""
    if isinstance(corpus, LocalCorpus):
        if not Path(corpus.path).is_file():
            raise UserError(
                f"no file {corpus.path}",
                where="config/index, key corpus.path",
                remedy="give a file of examples: .jsonl, .json, .csv or .parquet",
            )
        return Path(corpus.path)
    return snapshot(corpus.repository, corpus.revision, kind="dataset", patterns=[corpus.file]).folder / corpus.file
