"""Files that are cut short, altered or of another version: one line that names the file, or handled."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny import make_model, make_tokenizer
from transformers import LlamaForCausalLM

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import whole_file
from superficial.artifacts.hidden_states import HiddenStates
from superficial.artifacts.state_file import StateFile, write_states
from superficial.artifacts.store import Store
from superficial.artifacts.table import parquet_file, read_rows, read_table, write_table
from superficial.artifacts.token_rows import TokenRows
from superficial.config.schema import (
    CompareConfig,
    DecodingConfig,
    GenerateStage,
    LocalSource,
    ModelConfig,
    Nothing,
    PromptConfig,
    Runtime,
    ScoreStage,
)
from superficial.inference.generate.stage import run as generate
from superficial.inference.teacher_forcing import TokenSequence
from superficial.judging.judges.probability_reader import ProbabilityReader
from superficial.judging.judges.rubric import Rubric
from superficial.models.load import load_model
from superficial.models.manifest import read_manifest
from superficial.models.stage import run as fetch
from superficial.shift.compare import run as compare
from superficial.shift.pair.pairing import Pairing
from superficial.shift.pair.stage import run as pair_stage
from superficial.shift.score import run as score

RUNTIME = Runtime(device="cpu", generate_batch=2, score_tokens=100, position_chunk=16)
ZERO_SHOT = PromptConfig(kind="completion", template="# Query:\n```{instruction}```\n\n# Answer:\n```\n")
TABLE = pd.DataFrame({"id": ["a", "b"] * 500, "x": range(1000)})


def cut(path: Path, share: float = 0.5) -> None:
    """Leave the beginning of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


TABLES: dict[str, Callable[[Path], object]] = {
    "a whole table is read from half a Parquet file": read_table,
    "rows are read from half a Parquet file": lambda path: read_rows(path, ["x"], 0, 5),
    "batches are read from half a Parquet file": parquet_file,
    "one column is read from half a Parquet file": lambda path: read_table(path, ["x"]),
}


@pytest.mark.fault("files", TABLES, "one line that names the file and says to delete it; exit code 2")
@pytest.mark.parametrize("case", TABLES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_half_a_parquet_file(case: str, share: float, tmp_path: Path):
    path = tmp_path / "t.parquet"
    write_table(TABLE, path)
    TABLES[case](path)
    cut(path, share)
    with pytest.raises(UserError, match=r"t\.parquet: it is damaged.*delete it and run the same command again"):
        TABLES[case](path)


@pytest.mark.fault(
    "files", "a Parquet file lacks a column, as one of an older version", "one line that names the file; exit code 2"
)
def test_a_table_of_an_older_version(tmp_path: Path):
    write_table(TABLE, tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"t\.parquet: it is damaged, or of another version \(.*earlier_answers"):
        read_table(tmp_path / "t.parquet", ["id", "earlier_answers"])


@pytest.mark.fault("files", "a CSV table is empty", "one line that names the file; exit code 2")
def test_an_empty_csv(tmp_path: Path):
    (tmp_path / "t.csv").touch()
    with pytest.raises(UserError, match=r"t\.csv: it is damaged"):
        read_table(tmp_path / "t.csv")


@pytest.mark.fault(
    "files",
    "a file of hidden states is cut short in its header or in its numbers",
    "one line that names the file; exit code 2",
)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.5, 0.99])
def test_half_a_file_of_states(share: float, tmp_path: Path):
    path = tmp_path / "s.safetensors"
    write_states(path, [torch.zeros(50, 8)], [20, 30], {"a": "b"})
    assert StateFile(path).read().shape == (50, 8)
    cut(path, share)
    with pytest.raises(UserError, match=r"s\.safetensors"):
        StateFile(path).read()


@pytest.mark.fault("files", "a kept batch of hidden states is cut short", "one line that names the file; exit code 2")
def test_half_a_batch_of_states(tmp_path: Path):
    kept, sequence = HiddenStates(tmp_path, "m"), TokenSequence([1, 2], [3])
    kept.put([sequence], [torch.zeros(1, 4)])
    (file,) = tmp_path.glob(".states/*/*.safetensors")
    cut(file)
    with pytest.raises(UserError, match=rf"{file.name}: it is damaged"):
        HiddenStates(tmp_path, "m").get(sequence)


@pytest.mark.fault("files", "kept rows of the token table are cut short", "one line that names the file; exit code 2")
def test_half_a_file_of_rows(tmp_path: Path):
    TokenRows(tmp_path, "k").put(["one"], [2], pd.DataFrame({"rank": [1, 2]}))
    (file,) = tmp_path.glob(".shifts/*/*.parquet")
    cut(file)
    with pytest.raises(UserError, match=rf"{file.name}: it is damaged"):
        TokenRows(tmp_path, "k")


@pytest.mark.fault(
    "files",
    "lines of a store of answers are torn, empty, no JSON or of another kind",
    "handled: these answers are made again, the others are kept",
)
def test_a_store_with_lines_of_all_kinds(tmp_path: Path):
    path = tmp_path / "s.jsonl"
    Store(path).put({"a": 1})
    with open(path, "ab") as file:
        file.write(b'\n{"key": "b"}\n[]\n5\nnull\n\xff\xfe\n{"key": ["c"], "value": 1}\n{"key": "d", "val')
    store = Store(path)
    assert [key in store for key in "abcd"] == [True, False, False, False]
    store.put({"d": 2})
    assert (Store(path)["a"], Store(path)["d"]) == (1, 2)


@pytest.mark.fault(
    "files", "a temporary file of a killed writer lies beside the artifact", "handled: deleted by the next writer"
)
def test_left_over_files_do_not_grow(tmp_path: Path):
    import os

    left = tmp_path / ".t-abc.csv"
    left.write_text("half")
    os.utime(left, (1e9, 1e9))
    with whole_file(tmp_path / "t.csv") as partial:
        partial.write_text("whole")
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


JSON = {
    "the manifest of a model is cut short": (read_manifest, '{"name": "m", "dt'),
    "the manifest of a model is empty": (read_manifest, ""),
    "the manifest of a model is of another version": (read_manifest, '{"model": "m"}'),
    "the report of a pair is cut short": (Pairing.read, '{"verdict": "exa'),
    "the report of a pair is of another version": (Pairing.read, '{"verdict": "exact"}'),
    "the report of a pair is no text": (Pairing.read, "\udcff"),
}


@pytest.mark.fault("files", JSON, "one line that names the file; exit code 2")
@pytest.mark.parametrize("case", JSON)
def test_json_that_is_none_of_ours(case: str, tmp_path: Path):
    read, text = JSON[case]
    (tmp_path / "m.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"m\.json: it is damaged, or of another version") as caught:
        read(tmp_path / "m.json")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("origin") / "model", seed=1, chat=True)


def made(folder: Path, results: Path) -> Path:
    """The manifest of the model in `folder`, fetched by its stage."""
    source = LocalSource(kind="local", path=str(folder))
    out = results / "models/m/manifest.json"
    fetch(ModelConfig(name="m", title="m", licence="none", source=source), RUNTIME, out=out)
    return out


def spoil_weights(folder: Path) -> None:
    cut(folder / "model.safetensors")


def empty_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def pointer(folder: Path) -> None:
    """What git leaves in the place of a large file that it did not fetch."""
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def half_a_config(folder: Path) -> None:
    cut(folder / "config.json")


def unknown_architecture(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "never_heard_of"}')


def no_tokenizer(folder: Path) -> None:
    for file in folder.glob("token*"):
        file.unlink()


def half_a_tokenizer(folder: Path) -> None:
    cut(folder / "tokenizer.json")


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "a weights file is cut short": (spoil_weights, r"model\.safetensors is damaged.*copy it there again"),
    "a weights file is empty": (empty_weights, r"model\.safetensors is damaged"),
    "a weights file is a pointer of Git LFS": (pointer, r"model\.safetensors is damaged"),
    "config.json is missing": (no_config, r"its config\.json cannot be read"),
    "config.json is cut short": (half_a_config, r"its config\.json cannot be read"),
    "the architecture is not known": (unknown_architecture, r"cannot be read .*never_heard_of"),
}
NO_TOKENIZER = {
    "the files of the tokenizer are missing": (no_tokenizer, r"its tokenizer cannot be read"),
    "the file of the tokenizer is cut short": (half_a_tokenizer, r"its tokenizer cannot be read"),
}


@pytest.mark.fault("models", SPOILT, "one line that names file or folder; exit code 2")
@pytest.mark.fault("tokenizers", NO_TOKENIZER, "one line that names the folder; exit code 2")
@pytest.mark.parametrize("case", [*SPOILT, *NO_TOKENIZER])
def test_a_model_that_is_not_whole(case: str, origin: Path, tmp_path: Path):
    spoil, match = (SPOILT | NO_TOKENIZER)[case]
    shutil.copytree(origin, tmp_path / "mine")
    spoil(tmp_path / "mine")
    with pytest.raises(UserError, match=match) as caught:
        load_model(made(tmp_path / "mine", tmp_path / "results"), "cpu")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "results").rglob(".*"))


@pytest.mark.fault(
    "models", "a weights file in results is cut short after it was made", "one line that names the folder; exit code 2"
)
def test_weights_that_were_cut_later(origin: Path, tmp_path: Path):
    shutil.copytree(origin, tmp_path / "mine")
    manifest = made(tmp_path / "mine", tmp_path / "results")
    weights = manifest.parent / "model.safetensors"
    weights.unlink()  # a hard link: the user's own file stays whole
    weights.write_bytes((tmp_path / "mine/model.safetensors").read_bytes()[:5000])
    with pytest.raises(UserError, match=r"models/m: it is damaged.*delete it"):
        load_model(manifest, "cpu").model  # noqa: B018


@pytest.mark.fault("models", "a file of the model is gone from results", "one line that names it; exit code 2")
def test_a_file_that_is_gone(origin: Path, tmp_path: Path):
    manifest = made(origin, tmp_path / "results")
    (manifest.parent / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer\.json is gone.*run again"):
        load_model(manifest, "cpu")


def answers(manifest: Path, results: Path, instructions: list[str], prompt: PromptConfig = ZERO_SHOT) -> pd.DataFrame:
    """What the generate stage writes."""
    rows = [
        {"id": str(at), "instruction": text, "category": "regular", "turns": []} for at, text in enumerate(instructions)
    ]
    write_table(pd.DataFrame(rows), results / "data/d.parquet")
    cfg = GenerateStage(max_new_tokens=4, prompt=prompt, decoding=DecodingConfig())
    out = results / "responses/d/m/zero_shot.parquet"
    generate(cfg, RUNTIME, model=manifest, data=results / "data/d.parquet", out=out)
    return pd.read_parquet(out)


def changed(folder: Path, origin: Path, change: Callable[[Any], None]) -> Path:
    """A copy of the model with changed weights."""
    shutil.copytree(origin, folder)
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def spoil_head(weights: dict[str, torch.Tensor]) -> None:
    weights["lm_head.weight"][7, 3] = torch.nan


def spoil_body(weights: dict[str, torch.Tensor]) -> None:
    weights["model.norm.weight"][0] = torch.inf


@pytest.mark.fault(
    "models",
    "a weight of the head is NaN: the model would write the same token for ever",
    "one line that names the model; exit code 2; no answer is kept",
)
@pytest.mark.fault(
    "models", "a weight of the body is infinite", "one line that names the model; exit code 2; no answer is kept"
)
@pytest.mark.parametrize("change", [spoil_head, spoil_body])
def test_a_model_that_computes_no_numbers(change: Callable[[Any], None], origin: Path, tmp_path: Path):
    folder = changed(tmp_path / "mine", origin, change)
    with pytest.raises(UserError, match="m computes no finite numbers in float32"):
        answers(made(folder, tmp_path / "results"), tmp_path / "results", ["What is tea?"])
    assert not list((tmp_path / "results/responses").rglob("*"))
    assert not list((tmp_path / "results").glob(".responses/*"))


@pytest.mark.fault("judges", "a local judge computes NaN", "one line that names the judge; exit code 2")
def test_a_judge_that_computes_no_numbers(origin: Path, tmp_path: Path):
    loaded = load_model(made(changed(tmp_path / "mine", origin, spoil_head), tmp_path / "results"), "cpu")
    with pytest.raises(UserError, match="m computes no finite numbers"):
        ProbabilityReader(loaded, Rubric("Grade <response>{response}</response> to {instruction}", True))


@pytest.mark.fault("models", "a response of no text: the model ends at once", "handled: one token, empty text")
@pytest.mark.fault("instructions", "the dataset has one instruction", "handled")
def test_a_model_that_says_nothing(origin: Path, tmp_path: Path):
    def silence(weights: dict[str, torch.Tensor]) -> None:
        weights["model.norm.weight"].zero_()  # all logits are equal, and of equals the first wins

    folder = changed(tmp_path / "mine", origin, silence)
    config = json.loads((folder / "generation_config.json").read_text()) | {"eos_token_id": [0]}
    (folder / "generation_config.json").write_text(json.dumps(config))
    found = answers(made(folder, tmp_path / "results"), tmp_path / "results", ["What is tea?"])
    assert (found["text"][0], list(found["token_ids"][0]), found["finish_reason"][0]) == ("", [0], "eos")


def compared(origin: Path, results: Path, empty: Sequence[int]) -> tuple[StateFile, Path]:
    """Scores and token table of three answers, of which those at some places have no token."""
    manifest = made(origin, results)
    found = answers(manifest, results, ["What is tea?", "And coffee?", "Why?"])
    for at in empty:
        found.at[at, "token_ids"] = []
    responses, pair = results / "responses/d/m/zero_shot.parquet", results / "pairs/p.json"
    write_table(found, responses)
    pair_stage(Nothing(), RUNTIME, base=manifest, aligned=manifest, out=pair)
    states = results / "scores/d/m/zero_shot.safetensors"
    score(
        ScoreStage(context=ZERO_SHOT), RUNTIME, pair=pair, model=manifest, data=results / "data/d.parquet",
        responses=responses, out=states,
    )  # fmt: skip
    out = results / "shifts/d/p/zero_shot.parquet"
    compare(
        CompareConfig(top_k=2), RUNTIME, pair=pair, base=manifest, aligned=manifest, responses=responses,
        base_score=states, aligned_score=states, out=out,
    )  # fmt: skip
    return StateFile(states), out


@pytest.mark.fault("models", "a response of no tokens among others", "handled: it has no row in the token table")
def test_a_response_of_no_tokens(origin: Path, tmp_path: Path):
    states, table = compared(origin, tmp_path / "results", [1])
    assert states.lengths[1] == 0
    assert set(pd.read_parquet(table)["example_id"]) == {"0", "2"}


@pytest.mark.fault("models", "no response has a token", "one line that names the responses; exit code 2")
def test_responses_of_no_tokens_at_all(origin: Path, tmp_path: Path):
    with pytest.raises(UserError, match="no response has a token") as caught:
        compared(origin, tmp_path / "results", [0, 1, 2])
    assert "zero_shot.parquet" in str(caught.value)


@pytest.mark.fault(
    "instructions",
    "an instruction of 100,000 characters, which no context holds",
    "one line that names it; exit code 2; no work is done before",
)
def test_an_endless_instruction(origin: Path, tmp_path: Path):
    manifest = made(origin, tmp_path / "results")
    with pytest.raises(UserError, match=r"instruction 1.*has positions for") as caught:
        answers(manifest, tmp_path / "results", ["What is tea?", "tea " * 25_000])
    assert len(str(caught.value)) < 1000
    assert not list((tmp_path / "results").glob(".responses/*"))


def no_bos(folder: Path) -> None:
    tokenizer = make_tokenizer(chat=True)
    tokenizer.backend_tokenizer.post_processor = None
    tokenizer.bos_token = None
    tokenizer.chat_template = tokenizer.chat_template.replace("{{ bos_token }}", "")
    tokenizer.save_pretrained(folder)


@pytest.mark.fault("tokenizers", "there is no BOS token", "handled: prompts begin with the text")
def test_a_tokenizer_without_bos(origin: Path, tmp_path: Path):
    shutil.copytree(origin, tmp_path / "mine")
    no_bos(tmp_path / "mine")
    manifest = made(tmp_path / "mine", tmp_path / "results")
    for prompt in (ZERO_SHOT, PromptConfig(kind="chat")):
        found = answers(manifest, tmp_path / "results", ["What is tea?"], prompt)
        assert 0 not in found["prompt_ids"][0]
        assert len(found["token_ids"][0])


@pytest.mark.fault(
    "tokenizers", "there is no chat template, and the method is a chat", "one line that names the model; exit code 2"
)
def test_a_tokenizer_without_chat_template(tmp_path: Path):
    manifest = made(make_model(tmp_path / "plain", seed=1), tmp_path / "results")
    with pytest.raises(UserError, match="m has no chat template"):
        answers(manifest, tmp_path / "results", ["What is tea?"], PromptConfig(kind="chat"))


@pytest.mark.fault("tokenizers", "the chat template is no Jinja", "one line that names the model; exit code 2")
@pytest.mark.parametrize(
    "template", ["{% for message in messages %}", "{{ messages[0]['content'] | nonsense }}", "{{ 1 / 0 }}"]
)
def test_a_broken_chat_template(template: str, origin: Path, tmp_path: Path):
    shutil.copytree(origin, tmp_path / "mine")
    (tmp_path / "mine/chat_template.jinja").write_text(template)
    manifest = made(tmp_path / "mine", tmp_path / "results")
    with pytest.raises(UserError, match=r"models/m, chat template: the chat template (refuses|breaks)") as caught:
        answers(manifest, tmp_path / "results", ["What is tea?"], PromptConfig(kind="chat"))
    assert "\n" not in str(caught.value)


@pytest.mark.fault(
    "models",
    "the model has more embeddings than its tokenizer has tokens, or fewer",
    "handled: padding rows are never a token of a text",
)
def test_a_padded_vocabulary(tmp_path: Path):
    folder = make_model(tmp_path / "mine", seed=1)
    model = LlamaForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(512)
    model.save_pretrained(folder)
    found = answers(made(folder, tmp_path / "results"), tmp_path / "results", ["What is tea?"])
    assert len(found) == 1
