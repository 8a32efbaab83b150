"""The data and the files of the shift browser, without a browser."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser.synthetic import HOSTILE, Made, example, rows, stage

from superficial.browser.embed import embed
from superficial.browser.payload import DIGITS, MEASURES, Example, index_entry, page_data
from superficial.browser.site import run, write_site
from superficial.errors import UserError
from superficial.markup import visible
from superficial.schema import RuntimeConfig

RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=64, position_chunk=8)
SCRIPT = re.compile(r"<script[^>]*>")
BLOCK = re.compile(r'<script type="application/json"[^<]*</script>')


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def data_of(page: str) -> dict:
    """The JSON block of a page, as a browser finds it: up to the first end tag."""
    return json.loads(page.split('<script type="application/json" id="data">')[1].split("</script>")[0])


def large(tokens: int, width: int) -> Example:
    """Nothing repeats: every candidate is another token of a vocabulary of 262,144, every number has all its digits."""
    draw = np.random.default_rng(0)
    table = rows([(f"token{index}", 50) for index in range(tokens)], width)
    for name in MEASURES:
        table[name] = draw.random(tokens).astype(np.float32).tolist()
    for side in ("base", "aligned"):
        ids = draw.integers(100_000, 262_144, (tokens, width)).tolist()
        table[f"{side}_top_ids"] = ids
        table[f"{side}_top_tokens"] = [[f" t{token}" for token in each] for each in ids]
        table[f"{side}_top_probs"] = (draw.random((tokens, width)) ** 8).astype(np.float32).tolist()
    return example("large", [("x", 1)], rows=table, text="token " * tokens, instruction="Tell me more. " * 20)


def test_a_thousand_long_examples_stay_below_250_megabytes(tmp_path: Path) -> None:
    write_site(stage("one"), {"one": Made([large(300, 10)])}, tmp_path / "browser")
    sizes = {name: len(text) for name, text in files(tmp_path / "browser").items()}
    assets = sum(size for name, size in sizes.items() if name.startswith("assets/"))
    assert assets < 50_000
    assert (sum(sizes.values()) - assets) * 1000 + assets < 250e6


def test_page_data_says_what_the_table_says() -> None:
    source = large(20, 10)
    data = page_data(source)
    for name in MEASURES:
        assert data[name] == pytest.approx(source.rows[name], rel=0.5 * 10 ** (1 - DIGITS))
    for side in ("base", "aligned"):
        places = data[f"{side}_top"]
        assert [[data["ids"][place] for place in each] for each in places] == source.rows[f"{side}_top_ids"]
        assert [[data["texts"][place] for place in each] for each in places] == source.rows[f"{side}_top_tokens"]
    assert [data["ids"][place] for place in data["token"]] == source.rows["token_id"]
    assert len(set(data["ids"])) == len(data["ids"])
    assert [data["categories"][kind] for kind in data["kinds"]] == source.rows["category"]
    assert sum(data["counts"]) == data["tokens"] == 20


def test_numbers_that_are_not_finite_are_no_invalid_json() -> None:
    table = rows([("a", 1), ("b", 4)])
    table["kl_aligned_base"] = [float("inf"), float("nan")]
    odd = example("odd", [("a", 1)], rows=table)
    assert json.loads(embed(page_data(odd)))["kl_aligned_base"] == [None, None]
    assert json.loads(embed(index_entry(odd)))["kl"] is None


@pytest.mark.parametrize("text", HOSTILE)
def test_embedded_text_comes_back_and_holds_nothing_that_markup_needs(text: str) -> None:
    block = embed({"text": text})
    assert not set(block) & set("<>&\u2028\u2029\x00\x1b\u202e\ud800")
    assert json.loads(block)["text"] == visible(text)


def test_pages_of_hostile_examples_hold_no_markup_of_theirs(tmp_path: Path) -> None:
    cfg = stage("one").model_copy(update={"dataset": "tiny"})
    tokens = [(text, 5) for text in HOSTILE]
    plain = example("plain", [("a", 1)])
    hostile = [example(text, tokens, instruction=text, tasks=[text], topics=[text], text=text) for text in HOSTILE]
    write_site(cfg, {"one": Made([plain, *hostile])}, tmp_path / "browser")
    made = files(tmp_path / "browser")
    assert {name for name in made if name.startswith("pairs/")} == {
        f"pairs/one/{number:04}.html" for number in range(1, len(HOSTILE) + 2)
    }
    for name, content in made.items():
        if name.endswith(".html"):
            page = content.decode()
            assert len(SCRIPT.findall(page)) == page.count("</script>") == 3
            assert not re.search(r"<(img|iframe)|\son\w+=|\sstyle=|javascript:", BLOCK.sub("", page))
    page = data_of(made["pairs/one/0002.html"].decode())
    assert page["id"] == HOSTILE[0]
    assert (page["number"], page["count"], page["elsewhere"]) == (2, len(HOSTILE) + 1, [])


def test_two_builds_are_bit_identical_and_replace_each_other(tmp_path: Path) -> None:
    made = []
    for count in (3, 2, 2):
        pairs = {
            name: Made(example(f"e{index}", [("a", 1), ("b", 9)]) for index in range(count)) for name in ("one", "two")
        }
        write_site(stage("one", "two"), pairs, tmp_path / "browser")
        made.append(files(tmp_path / "browser"))
    assert made[1] == made[2]
    assert set(made[0]) - set(made[1]) == {"pairs/one/0003.html", "pairs/two/0003.html"}


def test_an_example_knows_its_page_in_other_pairs_and_strange_files_stay(tmp_path: Path) -> None:
    (tmp_path / "browser/cases").mkdir(parents=True)
    (tmp_path / "browser/cases/index.html").write_text("another page set")
    pairs = {
        "one": Made(example(name, [("a", 1)]) for name in ("x", "y")),
        "two": Made(example(name, [("a", 1)]) for name in ("z", "y")),
        "three": Made([example("x", [("a", 1)])]),
    }
    write_site(stage(*pairs), pairs, tmp_path / "browser")
    made = files(tmp_path / "browser")
    assert made["cases/index.html"] == b"another page set"
    found = {name: data_of(page.decode())["elsewhere"] for name, page in made.items() if name.startswith("pairs/")}
    assert found == {
        "pairs/one/0001.html": [{"title": "Pair three", "page": "../three/0001.html"}],
        "pairs/one/0002.html": [{"title": "Pair two", "page": "../two/0002.html"}],
        "pairs/two/0001.html": [],
        "pairs/two/0002.html": [{"title": "Pair one", "page": "../one/0002.html"}],
        "pairs/three/0001.html": [{"title": "Pair one", "page": "../one/0001.html"}],
    }


def test_colours_come_from_the_configuration(tmp_path: Path) -> None:
    examples = {"one": Made([example("e", [("a", 1)])])}
    write_site(stage("one"), examples, tmp_path / "browser")
    style = (tmp_path / "browser/assets/colours.css").read_text()
    assert re.findall(r"--(\w+): (#\w+);", style) == [
        ("unshifted", "#56b4e9"), ("marginal", "#ffa500"), ("shifted", "#a50f4c"),
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"figure\.shifted.*no colour"):
        write_site(stage("one").model_copy(update={"shifted": "red;}"}), examples, tmp_path / "browser")


def test_the_stage_reads_the_tables_of_a_run(tmp_path: Path, tiny_models: Path) -> None:
    results = tmp_path / "results"
    for side in ("base", "aligned"):
        (results / "models").mkdir(parents=True, exist_ok=True)
        (results / "models" / f"m_{side}").symlink_to(tiny_models / side)
    names = ["second", "first"]
    tables = {
        "data/tiny": pd.DataFrame(
            [{"id": name, "instruction": f"How {name}?", "category": "regular", "subset": "s", "tasks": ["coding"],
              "topics": [], "turns": []} for name in sorted(names)]
        ),
        "responses/tiny/m_aligned/aligned": pd.DataFrame(
            [{"id": name, "prompt_ids": [0, 3, 4], "text": "the answer", "finish_reason": "eos", "earlier_answers": []} for name in names]
        ),
        "shifts/tiny/one/zero_shot": pd.concat(
            [pd.DataFrame(rows([("a", 1), ("b", 9)][: index + 1])).assign(example_id=name)
             for index, name in enumerate(names)]
        ),
    }  # fmt: skip
    for name, table in tables.items():
        path = results / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(path)
    run(stage("one"), RUNTIME, results=results, out=results / "browser/index.html")
    index = data_of((results / "browser/index.html").read_text())
    assert [(one["id"], one["tokens"], one["page"]) for one in index["pairs"][0]["examples"]] == [
        ("second", 1, "pairs/one/0001.html"), ("first", 2, "pairs/one/0002.html"),
    ]  # fmt: skip
    page = data_of((results / "browser/pairs/one/0002.html").read_text())
    assert page["contexts"] == {"base": "<bos>Q: How first?\nA:", "aligned": "<bos><|user|><|assistant|>"}
    assert json.loads((results / "browser.meta.json").read_text())["examples"] == 2
