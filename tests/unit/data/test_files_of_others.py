"""Files that others export: spreadsheets, chat logs, compressed ones, and fields that are no keys of ours."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from superficial.artifacts.errors import UserError
from superficial.config.schema import DatasetConfig, LocalCorpus, RuntimeConfig
from superficial.data import stage
from superficial.data.fields import FieldUse
from superficial.data.readers import read_instructions, read_json_list
from superficial.prompts.retrieval.corpus import read_corpus

RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=1, position_chunk=1)
PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
ALPACA = [
    {"instruction": "Summarise the text.", "input": "Cats sleep by day.", "output": "", "note": "x"},
    {"instruction": "Name three rivers.", "input": " ", "output": "Rhine"},
]


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def said(*contents: str, roles: str = "user assistant") -> list[dict[str, str]]:
    """Messages of a chat, by turns of the roles."""
    names = roles.split()
    return [{"role": names[index % len(names)], "content": content} for index, content in enumerate(contents)]


def test_what_belongs_to_the_question_is_joined_and_the_rest_is_listed(tmp_path: Path):
    path, fields = tmp_path / "alpaca.json", FieldUse()
    path.write_text(json.dumps(ALPACA))
    asked = [record.instruction for record in read_instructions(path, fields)]
    assert asked == ["Summarise the text.\n\nCats sleep by day.", "Name three rivers."]
    assert (list(fields.joined), list(fields.unused)) == (["input"], ["output", "note"])
    both = jsonl(tmp_path / "both.jsonl", {"context": "C", "instruction": "A", "input": "B"})
    assert read_instructions(both)[0].instruction == "A\n\nB\n\nC"


def test_the_stage_says_once_what_it_did_not_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, out = tmp_path / "alpaca.json", tmp_path / "out.parquet"
    path.write_text(json.dumps(ALPACA * 3))
    stage.run(DatasetConfig(name="x", path=str(path), limit=1), RUNTIME, source=path, out=out)
    assert capsys.readouterr().err == f"note: {path}: joined to the instruction: input; not used: output, note\n"
    meta = json.loads(next(tmp_path.glob("out*.meta.json")).read_text())
    assert (meta["fields_joined"], meta["fields_not_used"]) == (["input"], ["output", "note"])
    assert pd.read_parquet(out)["instruction"].tolist() == ["Summarise the text.\n\nCats sleep by day."]
    plain = jsonl(tmp_path / "plain.jsonl", {"id": 1, "instruction": "A", "task": "math"})
    stage.run(DatasetConfig(name="x", path=str(plain)), RUNTIME, source=plain, out=out)
    assert capsys.readouterr().err == ""


@pytest.mark.fault("instructions", "names of fields hold control characters", "handled: they are shown by number")
def test_names_of_fields_do_no_harm_to_a_terminal(tmp_path: Path):
    fields = FieldUse()
    read_instructions(jsonl(tmp_path / "x.jsonl", {"instruction": "A", "\x1b[2J": 1, "": 2, "a\nb": 3}), fields)
    assert str(fields) == r"not used: '\x1b[2J', '', 'a\nb'"
    many = {"instruction": "A"} | {f"z{number}": 1 for number in range(30)}
    read_instructions(jsonl(tmp_path / "y.jsonl", many), fields := FieldUse())
    assert str(fields).endswith("z18, z19 and 10 more")
    assert len(fields.unused) == 30


def test_of_two_fields_that_mean_one_key_the_later_one_holds(tmp_path: Path):
    path = jsonl(tmp_path / "x.jsonl", {"instruction": "A", "subset": "a", "dataset": "b"})
    (record,) = read_instructions(path, fields := FieldUse())
    assert (record.subset, list(fields.unused)) == ("b", ["subset"])


@pytest.mark.parametrize("mark", [";", "\t", "|", ","])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_separators_are_recognised(tmp_path: Path, mark: str, suffix: str):
    rows = [
        ["id", "instruction", "category"],
        ["1", "What is tea?", "regular"],
        ["2", '"Rain, wet; or | not?"', "safety"],
    ]
    path = tmp_path / f"x{suffix}"
    path.write_text("".join(mark.join(row) + "\n" for row in rows))
    read = [(one.id, one.instruction, one.category) for one in read_instructions(path)]
    assert read == [("1", "What is tea?", "regular"), ("2", "Rain, wet; or | not?", "safety")]
    path.write_text(path.read_text() + mark.join(["3", "Why?", "regular", "more"]) + "\n")
    names = {";": "semicolon", "\t": "tab", "|": "bar", ",": "comma"}
    with pytest.raises(UserError, match=f"1 fields more than the header .*holds a {names[mark]}"):
        read_instructions(path)


@pytest.mark.parametrize("text", ["instruction\na;b\n", "instruction,x;y;z\na;b,1\n", 'id,instruction\n1,"a;b"\n'])
def test_a_comma_goes_before_other_separators(tmp_path: Path, text: str):
    (tmp_path / "x.csv").write_text(text)
    assert read_instructions(tmp_path / "x.csv")[0].instruction == "a;b"


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".JSONL"])
def test_compressed_files_are_read_whatever_their_name_says_of_it(tmp_path: Path, suffix: str, packed: str):
    texts = {
        ".jsonl": '{"instruction": "Why?"}\n', ".json": '[{"instruction": "Why?"}]',
        ".csv": "id,instruction\n1,Why?\n", ".tsv": "id\tinstruction\n1\tWhy?\n",
    }  # fmt: skip
    data = texts[suffix.lower()].encode()
    for name, content in ((f"x{suffix}{packed}", PACK[packed](data)), (f"y{suffix}", PACK[packed](data)),
                          (f"z{suffix}{packed}", data)):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert [one.instruction for one in read_instructions(tmp_path / name)] == ["Why?"], name


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.fault(
    "instructions", "a compressed file is cut short", "one line that names file, key and remedy; exit code 2"
)
def test_half_a_compressed_file_is_refused(tmp_path: Path, packed: str):
    path = tmp_path / f"x.jsonl{packed}"
    path.write_bytes(PACK[packed](b'{"instruction": "Why?"}\n' * 999)[:-20])
    with pytest.raises(UserError, match=r"x\.jsonl.*: cannot be unpacked .*remedy: copy it or pack it again"):
        read_instructions(path)


def test_corpora_and_published_files_may_be_compressed_too(tmp_path: Path):
    (tmp_path / "corpus.tsv.gz").write_bytes(gzip.compress(b"instruction\tresponse\nWhy, oh why?\tSo.\n"))
    found, left_out = read_corpus(tmp_path / "corpus.tsv.gz", LocalCorpus(kind="local", path=""))
    assert found.to_dict("records") == [{"id": "1", "instruction": "Why, oh why?", "response": "So."}]
    assert left_out == 0
    (tmp_path / "judged.json").write_bytes(gzip.compress(b'[{"id": 1}]'))
    assert read_json_list(tmp_path / "judged.json") == [{"id": 1}]


SHAREGPT = [{"from": "human", "value": "A?"}, {"from": "gpt", "value": "So."}, {"from": "human", "value": "B?"}]
PARTS = [{"role": "user", "content": [{"type": "text", "text": "A?"}]}]
LOGS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "one question": ({"messages": said("A?")}, ["A?"]),
    "an answer after it": ({"messages": said("A?", "So.")}, ["A?"]),
    "a dialogue": ({"messages": said("A?", "So.", "B?", "No.", "C?")}, ["A?", "B?", "C?"]),
    "an empty system message": ({"messages": said("", "A?", roles="system user")}, ["A?"]),
    "other names": ({"conversations": SHAREGPT}, ["A?", "B?"]),
    "text that holds it": ({"messages": json.dumps(said("A?", "So.", "B?"))}, ["A?", "B?"]),
    "a list of one text": ({"messages": PARTS}, ["A?"]),
    "an empty instruction": ({"instruction": "", "messages": said("A?")}, ["A?"]),
}


@pytest.mark.parametrize("case", LOGS)
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_chat_log_becomes_turns(tmp_path: Path, case: str, suffix: str):
    row, turns = LOGS[case]
    path = jsonl(tmp_path / "x.jsonl", row)
    if suffix == ".parquet":
        pd.DataFrame([row]).to_parquet(path := tmp_path / "x.parquet")
    (record,) = read_instructions(path, fields := FieldUse())
    assert record.instruction == turns[0]
    assert record.turns == (turns if len(turns) > 1 else [])
    answered = any(word in json.dumps(row) for word in ("assistant", "gpt"))
    assert list(fields.unused) == ([f"answers in {list(row)[-1]}"] if answered else [])


def test_a_log_beside_an_instruction_is_not_used(tmp_path: Path):
    path = jsonl(tmp_path / "x.jsonl", {"instruction": "A?", "messages": said("B?", "So.", "C?")})
    (record,) = read_instructions(path, fields := FieldUse())
    assert (record.instruction, record.turns, list(fields.unused)) == ("A?", [], ["messages"])


BAD: dict[str, tuple[str, str, list[str]]] = {
    "another name": ("prompt.csv", "id,prompt\n1,What is tea?\n",
                     ["row 1, key instruction: no text", "fields are id, prompt", "rename prompt to instruction"]),
    "another language": ("x.csv", "Nr;Art;Frage\n1;kurz;Was ist Tee?\n", ["Nr, Art, Frage", "rename Frage to"]),
    "capitals": ("x.csv", "ID,QUESTION,answer\n1,What?,A long answer it is\n", ["rename QUESTION to instruction"]),
    "answers alone": ("x.jsonl", '{"id": 1, "output": "So."}', ["fields are id, output", "every instruction needs text"]),
    "a system text": ("x.jsonl", '{"instruction": "a", "system": "Be kind."}', ["line 1, key system", "into instruction"]),
    "choices": ("x.jsonl", '{"instruction": "a", "choices": ["b", "c"]}', ["line 1, key choices", "not carried"]),
    "a part that is no text": ("x.jsonl", '{"instruction": "a", "input": 5}', ["line 1, key input", "5 is no text"]),
    "a part beside turns": ("x.jsonl", '{"turns": ["a", "b"], "input": "c"}', ["key input", "stands beside turns"]),
    "a system message": ("x.jsonl", json.dumps({"messages": said("Be kind.", "A?", roles="system user")}),
                         ["line 1, key messages, message 1", "a system message is not carried"]),
    "a tool": ("x.jsonl", json.dumps({"messages": said("A?", "5", roles="user tool")}), ["message 2", "the role 'tool'"]),
    "no role": ("x.jsonl", '{"messages": [{"content": "A?"}]}', ["message 1", "no role"]),
    "no message": ("x.jsonl", '{"messages": ["A?"]}', ["key messages, message 1", "no message"]),
    "nobody asks": ("x.jsonl", json.dumps({"messages": said("So.", roles="assistant")}), ["no message of a user"]),
    "nothing asked": ("x.jsonl", json.dumps({"messages": said(" ")}), ["key messages", "empty text"]),
    "a picture": ("x.jsonl", json.dumps({"messages": [{"role": "user", "content": [{"type": "image"}]}]}),
                  ["message 1", "none that is text"]),
    "a log that is none": ("x.jsonl", '{"conversation": "A and B"}', ["fields are conversation"]),
    "packed Parquet": ("x.parquet.gz", "", ["unknown format '.parquet.gz'", ".jsonl", ".gz", ".parquet"]),
    "packed, of no format": ("x.gz", "", ["unknown format '.gz'", ".tsv"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.fault("instructions", BAD, "one line that names the field; exit code 2")
def test_what_cannot_be_asked_is_refused_by_name(tmp_path: Path, case: str):
    name, text, words = BAD[case]
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as error:
        read_instructions(tmp_path / name)
    assert all(word in str(error.value) for word in (name, *words)), str(error.value)
    assert "remedy:" in str(error.value)
