"""The command `prompt`: it shows what a model would see, and loads none."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.tiny import make_tokenizer

from superficial.__main__ import main
from superficial.artifacts.files import sidecar_of
from superficial.pipeline.run import Run

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT.parent / "shared/published/urial_prompts"
TEMPLATE = "# Query:\n```{instruction}```\n\n# Answer:\n```\n"
needs_published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published prompts are not in {PUBLISHED}")


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, object]], str]:
    code = main(["prompt", "pair=gemma3_270m", *words])
    captured = capsys.readouterr()
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without any results."""
    for name in ("config", "resources"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "made").mkdir()
    (tmp_path / "q.csv").write_text('id,instruction\nx,"Why, {so}?"\n,<bos>\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_shows_text_without_a_tokenizer(folder: Path, capsys: pytest.CaptureFixture[str]):
    code, rows, _ = ask(capsys, "method=zero_shot", "instructions=q.csv")
    assert code == 0
    assert rows == [
        {"id": "x", "text": TEMPLATE.replace("{instruction}", "Why, {so}?")},
        {"id": "2", "text": TEMPLATE.replace("{instruction}", "<bos>")},
    ]
    for suffix, text in (("json", '[{"instruction": "a"}]'), ("jsonl", '{"instruction": "a"}\n')):
        (folder / f"q.{suffix}").write_text(text)
        changed = "method.urial_k3.prompt.examples.ids=[brakes]"
        code, _, _ = ask(capsys, "method=urial_k3", f"instructions=q.{suffix}", changed, "out=made/prompts.jsonl")
        (row,) = map(json.loads, (folder / "made/prompts.jsonl").read_text().splitlines())
        assert row["text"].startswith((ROOT / "resources/urial/system.txt").read_text())
        assert row["text"].count("# Query:\n```") == 2
        assert row["text"].endswith("# Query:\n```a```\n\n# Answer:\n```\n")


def test_the_command_shows_ids_where_the_tokenizer_is(
    folder: Path, tiny_models: Path, capsys: pytest.CaptureFixture[str]
):
    code, _, error = ask(capsys, "method=aligned", "instructions=q.csv")
    assert code == 2
    assert error.count("\n") == 1
    assert "results/models/gemma3_270m_chat/manifest.json" in error
    (folder / "results/models").mkdir(parents=True)
    for name, side in (("gemma3_270m", "base"), ("gemma3_270m_chat", "aligned")):
        shutil.copytree(tiny_models / side, folder / "results/models" / name)
        (folder / "results/models" / name / "manifest.json").write_text("{}")
    code, rows, _ = ask(capsys, "method=aligned", "instructions=q.csv")
    assert code == 0
    assert rows[1]["text"] == "<bos><|user|><bos><|end|><|assistant|>"
    assert rows[1]["token_ids"].count(0) == 1
    _, rows, _ = ask(capsys, "method=zero_shot", "instructions=q.csv")
    assert rows[0]["token_ids"] == make_tokenizer(chat=False)(TEMPLATE.replace("{instruction}", "Why, {so}?")).input_ids
    (folder / "long.jsonl").write_text(json.dumps({"instruction": "plants " * 9000}))
    code, _, error = ask(capsys, "method=zero_shot", "instructions=long.jsonl")
    assert code == 2
    assert "positions for 8192" in error


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["instructions=q.csv"], "method= is missing"),
        (["method=zero_shot"], "instructions= is missing"),
        (["method=zero_sht", "instructions=q.csv"], "did you mean zero_shot?"),
        (["method=zero_shot", "instructions=nowhere.csv"], "no file nowhere.csv"),
        (["method=retrieval_icl", "instructions=q.csv"], "no neighbours yet"),
        (["method=zero_shot", "instructions=q.csv", "pairs=[qwen2_5_0_5b,gemma3_1b]"], "remedy: pair=qwen2_5_0_5b"),
        (["method=vicuna_paper", "instructions=q.csv"], "method.NAME.prompt.system=FILE"),
        (
            ["method=zero_shot", "instructions=q.csv", "out=q.csv/x"],
            "q.csv: a file or link stands where a folder belongs",
        ),
        (
            ["method=zero_shot", "instructions=q.csv", "out=made"],
            "made: a folder stands where a file belongs | remedy: name another file",
        ),
        (
            ["method=zero_shot", "instructions=q.csv", "out="],
            ".: what stands there cannot be replaced | remedy: name another",
        ),
        (
            ["method=urial_k3", "instructions=q.csv", "method.urial_k3.prompt.examples.ids=[]"],
            "remedy: ids: which examples",
        ),
        (["method=urial_k3", "instructions=q.csv", "method.urial_k3.prompt.template=x"], "prompt: template must hold"),
        (["method=zero_shot", "instructions=q.csv", "sed=1"], "unknown key sed"),
        (["method=urial_k3", "instructions=q.csv", "prompt_source=published", "prompt_dir=empty"], "prompt_dir=FOLDER"),
    ],
)
def test_mistakes_end_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str):
    code, rows, error = ask(capsys, *words)
    assert (code, rows) == (2, [])
    assert says in error
    assert error.count("\n") == 1


def test_neighbours_of_another_configuration_are_not_shown(folder: Path, capsys: pytest.CaptureFixture[str]):
    """What the workflow looked up for k = 3 is not what the model would see with k = 1."""
    run = Run(folder / "config")
    index, made = (
        folder / "results/retrieval/index/alignment.faiss",
        folder / "results/retrieval/demo/retrieval_icl.parquet",
    )
    for path, stage, name in ((index, "index", "alignment"), (made, "retrieve", "retrieval_icl")):
        path.parent.mkdir(parents=True)
        meta = {
            "config": json.loads(run.slice(stage, name)),
            "inputs": {"index": {"path": str(index.relative_to(folder))}},
        }
        sidecar_of(path).write_text(json.dumps(meta))
    found = [{"id": name, "instruction": f"{name}?", "response": f"{name}!", "similarity": 0.5} for name in "abc"]
    pd.DataFrame({"id": ["demo-1"], "neighbours": [found]}).to_parquet(made)
    (folder / "results/data").mkdir()
    pd.DataFrame({"id": ["demo-1"], "instruction": ["<bos>"]}).to_parquet(folder / "results/data/demo.parquet")
    (folder / "q.jsonl").write_text('{"instruction": "<bos>"}')
    words = ("method=retrieval_icl", "instructions=q.jsonl")
    code, rows, _ = ask(capsys, *words)
    assert code == 0
    assert rows[0]["text"].count("# Query:") == 4
    code, rows, error = ask(capsys, *words, "method.retrieval_icl.prompt.neighbours.k=1")
    assert (code, rows) == (2, [])
    assert "looked up for another configuration" in error
    sidecar_of(index).write_text(json.dumps({"config": {"corpus": "another"}}))
    assert "looked up for another configuration" in ask(capsys, *words)[2]


@needs_published
def test_the_command_shows_the_papers_prompt(folder: Path, capsys: pytest.CaptureFixture[str]):
    words = ["method=urial_k3", "instructions=q.csv", "prompt_source=published", f"prompt_dir={PUBLISHED}"]
    code, rows, _ = ask(capsys, *words)
    assert code == 0
    assert rows[0]["text"].startswith((PUBLISHED / "inst_1k.txt").read_text())
