"""A server answers for the workflow: base models through completions, aligned ones through chat."""

import re
from pathlib import Path

import pandas as pd
import pytest
from support.project import Project
from support.serving import serve
from support.tiny import SPECIAL

ANSWERS = {
    "tiny_base": "results/responses/tiny/tiny_base/zero_shot.parquet",
    "tiny_aligned": "results/responses/tiny/tiny_aligned/aligned.parquet",
}


def visible(text: str) -> str:
    """Without the names of special tokens, which a server leaves out."""
    return re.sub("|".join(map(re.escape, SPECIAL)), "", text)


def test_a_server_answers_like_the_model_here(
    project: Project, finished: Project, tiny_models: Path, tmp_path: Path
) -> None:
    pytest.importorskip("fastapi")
    with serve(tmp_path / "log.txt") as url:
        # A random model writes what no tokenizer splits as it was decoded.
        engine = ["engine=openai_server", f"engine.base_url={url}", "engine.penalty_field=frequency_penalty"]
        engine.append("compare.least_first_choices=0")
        for name, side in {"tiny_base": "base", "tiny_aligned": "aligned"}.items():
            engine.append(f"+engine.models.{name}.model='{tiny_models / side}'")
        targets = ("figures/shift_ratio", *ANSWERS.values())
        project.made(*targets, hydra=tuple(engine))
    for file in ANSWERS.values():
        here, there = (pd.read_parquet(one.folder / file) for one in (finished, project))
        assert here["prompt_ids"].map(list).tolist() == there["prompt_ids"].map(list).tolist()
        assert here["text"].map(visible).tolist() == there["text"].tolist()
        assert here["finish_reason"].tolist() == there["finish_reason"].tolist()
    # The server is gone: where it stood reruns nothing, another state of its model asks again and says what is missing.
    moved = [part for part in engine if "base_url" not in part]
    assert project.planned(*targets, hydra=(*moved, "engine.base_url=http://127.0.0.1:9/v1")) == set()
    other = (*moved, "engine.base_url=http://127.0.0.1:9/v1", "engine.revision=new", "engine.retries=0")
    assert "generate" in project.planned(*targets, hydra=other)
    failed = project.run(ANSWERS["tiny_base"], hydra=other)
    assert failed.returncode
    last = failed.stdout.strip().splitlines()[-1]
    assert "engine openai_server" in last, last
    assert "remedy" in last
