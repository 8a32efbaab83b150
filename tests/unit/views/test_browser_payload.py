"""The data and the files of the shift browser, without a browser."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.synthetic import HOSTILE, Made, example, further, rows, stage

from superficial.artifacts.errors import UserError
from superficial.artifacts.markup import visible
from superficial.config.schema import IntervalsConfig, JudgeTitle, RuntimeConfig
from superficial.probes.contexts.grouping import Grouping
from superficial.probes.contexts.recovery import recovery
from superficial.shift.statistics.bootstrap import Bootstrap
from superficial.shift.statistics.token_table import TokenTable
from superficial.views.browser.embed import embed
from superficial.views.browser.payload import (
    CANDIDATE_DIGITS,
    DIGITS,
    BrowserExample,
    FurtherContext,
    index_entry,
    page_data,
    short,
    shortened,
)
from superficial.views.browser.site import run, write_site
from superficial.views.judgment import ShownJudgment

MEASURES = (
    "base_prob", "aligned_prob", "kl_aligned_base", "kl_base_aligned", "js", "base_entropy", "aligned_entropy",
)  # fmt: skip
RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=64, position_chunk=8)
SCRIPT = re.compile(r"<script[^>]*>")
BLOCK = re.compile(r'<script type="application/json"[^<]*</script>')


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def data_of(page: str) -> dict:
    """The JSON block of a page, as a browser finds it: up to the first end tag."""
    return json.loads(page.split('<script type="application/json" id="data">')[1].split("</script>")[0])


def drawn(tokens: int, width: int, draw: np.random.Generator) -> dict[str, list]:
    """Nothing repeats: every candidate is another token of a vocabulary of 262,144, every number has all its digits."""
    table = rows([(f"token{index}", 50) for index in range(tokens)], width)
    for name in MEASURES:
        table[name] = draw.random(tokens).astype(np.float32).tolist()
    for side in ("base", "aligned"):
        ids = draw.integers(100_000, 262_144, (tokens, width)).tolist()
        table[f"{side}_top_ids"] = ids
        table[f"{side}_top_tokens"] = [[f" t{token}" for token in each] for each in ids]
        table[f"{side}_top_probs"] = (draw.random((tokens, width)) ** 8).astype(np.float32).tolist()
    return table


def large(tokens: int, width: int, contexts: int = 0) -> BrowserExample:
    """Nothing repeats in it, but for the candidates of further contexts: half of those are the base's own."""
    draw = np.random.default_rng(0)
    table, others = drawn(tokens, width, draw), []
    for _ in range(contexts):
        other = drawn(tokens, width, draw)
        for name in ("base_top_ids", "base_top_tokens"):
            pairs = zip(table[name], other[name], strict=True)
            other[name] = [[*own[: width // 2], *new[width // 2 :]] for own, new in pairs]
        others.append(FurtherContext("Q: and A: " * 400, other))
    return example(
        "large", [("x", 1)], rows=table, text="token " * tokens, instruction="Tell me more. " * 20, further=others
    )


def test_a_thousand_long_examples_stay_below_250_megabytes_and_a_further_context_adds_a_third(tmp_path: Path) -> None:
    found = []
    for contexts in (0, 1):
        site = tmp_path / f"browser{contexts}"
        write_site(stage("one", contexts=["other"] * contexts), {"one": Made([large(300, 10, contexts)])}, site)
        sizes = {name: len(text) for name, text in files(site).items()}
        assets = sum(size for name, size in sizes.items() if name.startswith("assets/"))
        assert assets < 52_000
        found.append((sum(sizes.values()) - assets) * 1000 + assets)
    assert found[0] < 250e6
    assert found[1] - found[0] < 85e6


def test_page_data_says_what_the_tables_say() -> None:
    source = large(20, 10, contexts=2)
    data = page_data(source)
    tables = [("base", source.rows), *(("base", one.rows) for one in source.further), ("aligned", source.rows)]
    assert len(data["views"]) == len(data["prompts"]) == len(tables)
    near = {"rel": 0.5 * 10 ** (1 - DIGITS)}
    for view, (side, table) in zip(data["views"], tables, strict=True):
        assert [[data["ids"][place] for place in each] for each in view["top"]] == table[f"{side}_top_ids"]
        assert [[data["texts"][place] for place in each] for each in view["top"]] == table[f"{side}_top_tokens"]
        for shown, probs in zip(view["top_prob"], table[f"{side}_top_probs"], strict=True):
            assert shown == pytest.approx(probs, rel=0.5 * 10 ** (1 - CANDIDATE_DIGITS))
        assert view["rank"] == table[f"{side}_rank"]
        assert view["prob"] == pytest.approx(table[f"{side}_prob"], **near)
        assert view["entropy"] == pytest.approx(table[f"{side}_entropy"], **near)
        if side == "base":
            assert view["kl"] == pytest.approx(table["kl_aligned_base"], **near)
            assert [data["categories"][kind] for kind in view["kinds"]] == table["category"]
    for name in ("js", "kl_base_aligned"):
        assert data[name] == pytest.approx(source.rows[name], **near)
    assert [data["ids"][place] for place in data["token"]] == source.rows["token_id"]
    assert len(set(data["ids"])) == len(data["ids"])
    assert sum(data["counts"]) == data["tokens"] == 20


def test_recovered_and_lost_are_those_of_the_table_of_contexts() -> None:
    draw = np.random.default_rng(1)
    texts = [f"t{number}" for number in range(60)]
    tables = {}
    for name in ("zero_shot", "c1", "c2"):
        parts = []
        for one, size in (("a", 20), ("b", 40)):
            made = rows(list(zip(texts[:size], draw.integers(1, 7, size).tolist(), strict=True)))
            parts.append(pd.DataFrame(made).assign(example_id=one, position=range(size)))
        tables[name] = pd.concat(parts, ignore_index=True)
    reference, *others = (TokenTable.of(table) for table in tables.values())
    everything = Grouping("all", ["all"], TokenTable.totals)
    bootstrap = Bootstrap.over(2, IntervalsConfig(resamples=100, confidence=0.9, seed=0))
    found = dict(zip(("c1", "c2"), others, strict=True))
    expected = recovery(("zero_shot", reference), found, [everything], bootstrap).set_index(["context", "measure"])
    counts = np.zeros((2, 2))
    whole = np.zeros(2)
    for one in ("a", "b"):
        by_context = {name: table[table["example_id"] == one].to_dict("list") for name, table in tables.items()}
        first = by_context.pop("zero_shot")
        entry = index_entry(
            example(one, [("x", 1)], rows=first, further=[FurtherContext("", table) for table in by_context.values()])
        )
        counts += entry["moved"]
        whole += [entry["counts"][2], entry["counts"][0]]
    assert counts.min() > 0
    for number, name in enumerate(found):
        for place, measure in enumerate(("recovered", "lost")):
            assert counts[number][place] / whole[place] == pytest.approx(expected.loc[(name, measure), "value"])
            assert whole[place] == expected.loc[(name, measure), "tokens"]


def test_a_judgment_is_a_score_or_the_reason_why_there_is_none() -> None:
    said = {
        "helpfulness": ShownJudgment(4.25, "It answers.", ""),
        "depth": ShownJudgment(float("nan"), "", "the judge said N/A"),
    }
    found = page_data(example("e", [("a", 1)], judgments=said))["judgments"]
    assert found == [
        {"aspect": "helpfulness", "score": "4.25", "reason": "It answers.", "unscored": ""},
        {"aspect": "depth", "score": None, "reason": "", "unscored": "the judge said N/A"},
    ]


def test_numbers_that_are_not_finite_are_no_invalid_json() -> None:
    table = rows([("a", 1), ("b", 4)])
    table["kl_aligned_base"] = [float("inf"), float("nan")]
    odd = example("odd", [("a", 1)], rows=table)
    assert json.loads(embed(page_data(odd)))["views"][0]["kl"] == [None, None]
    assert json.loads(embed(index_entry(odd)))["kl"] is None


@pytest.mark.parametrize("text", HOSTILE)
def test_embedded_text_comes_back_and_holds_nothing_that_markup_needs(text: str) -> None:
    block = embed({"text": text})
    assert not set(block) & set("<>&\u2028\u2029\x00\x1b\u202e\ud800")
    assert json.loads(block)["text"] == visible(text)


def test_pages_of_hostile_examples_hold_no_markup_of_theirs(tmp_path: Path) -> None:
    cfg = stage("one").model_copy(update={"dataset": "tiny"})
    tokens = [(text, 5) for text in HOSTILE]
    judge = JudgeTitle(name="judge", title=HOSTILE[0], caveat=HOSTILE[1])
    cfg = cfg.model_copy(update={"judge": judge, "contexts": stage(contexts=[HOSTILE[0]]).contexts})
    plain = example("plain", [("a", 1)], further=[further([("a", 1)], [1])])
    hostile = [
        example(
            text, tokens, instruction=text, tasks=[text], topics=[text], text=text,
            further=[further(tokens, [1] * len(tokens), prompt=text)],
            judgments={text: ShownJudgment(2.0, text, ""), "depth": ShownJudgment(float("nan"), text, text)},
        )
        for text in HOSTILE
    ]  # fmt: skip
    write_site(cfg, {"one": Made([plain, *hostile])}, tmp_path / "browser")
    made = files(tmp_path / "browser")
    assert {name for name in made if name.startswith("pairs/")} == {
        f"pairs/one/{number:04}.html" for number in range(1, len(HOSTILE) + 2)
    }
    for name, content in made.items():
        if name.endswith(".html"):
            page = content.decode()
            assert len(SCRIPT.findall(page)) == page.count("</script>") == (3 if name == "index.html" else 6)
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
            [{"id": name, "prompt_ids": [0, 3, 4], "token_ids": ids, "text": "the answer", "finish_reason": "eos",
              "earlier_answers": []} for name, ids in [("second", [1]), ("none", []), ("first", [1, 2])]]
        ),
        "shifts/tiny/one/zero_shot": pd.concat(
            [pd.DataFrame(rows([("a", 1), ("b", 9)][: index + 1])).assign(example_id=name, position=range(index + 1))
             for index, name in enumerate(names)]
        ),
    }  # fmt: skip
    # Another context has other ranks for the same tokens; the judge said something of one response only.
    first = tables["shifts/tiny/one/zero_shot"]
    ranks = {"base_rank": 1, "category": "unshifted", "aligned_top_ids": None}
    tables["shifts/tiny/one/c1"] = first.assign(**ranks)
    tables["judgments/tiny/judge/m_aligned/aligned"] = pd.DataFrame(
        [
            {
                "id": "first",
                "category": "regular",
                "aspect": "depth",
                "score": 3.0,
                "reason": "So.",
                "unscored": "",
                "raw": "",
            }
        ]
    )
    for name, table in tables.items():
        path = results / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(path)
    cfg = stage("one", contexts=["Other"], judge=JudgeTitle(name="judge", title="A judge", caveat=""))
    run(cfg, RUNTIME, results=results, out=results / "browser/index.html")
    index = data_of((results / "browser/index.html").read_text())
    assert [(one["id"], one["tokens"], one["page"]) for one in index["pairs"][0]["examples"]] == [
        ("second", 1, "pairs/one/0001.html"), ("first", 2, "pairs/one/0002.html"),
    ]  # fmt: skip
    page = data_of((results / "browser/pairs/one/0002.html").read_text())
    assert page["prompts"] == ["<bos>Q: How first?\nA:"] * 2 + ["<bos><|user|><|assistant|>"]
    assert page["contexts"] == [{"name": "zero_shot", "title": "Zero-shot"}, {"name": "c1", "title": "Other"}]
    assert [view["rank"] for view in page["views"]] == [[1, 9], [1, 1], [1, 1]]
    assert [one["moved"] for one in index["pairs"][0]["examples"]] == [[[0, 0]], [[1, 0]]]
    assert page["judgments"] == [{"aspect": "depth", "score": "3", "reason": "So.", "unscored": ""}]
    assert data_of((results / "browser/pairs/one/0001.html").read_text())["judgments"] == []
    assert json.loads((results / "browser.meta.json").read_text())["examples"] == 2
    for other in (first.assign(token_id=first["token_id"] + 1), first.head(2), pd.concat([first, first])):
        other.to_parquet(results / "shifts/tiny/one/c1.parquet")
        with pytest.raises(UserError, match=r"c1\.parquet: .*other responses"):
            run(cfg, RUNTIME, results=results, out=results / "browser/index.html")


@pytest.mark.parametrize("digits", [3, 5])
def test_many_values_are_shortened_as_each_alone(digits: int):
    """Floats of any size, in both precisions, the middles between two decimals, and what is no number."""
    rng = np.random.default_rng(0)
    spread = rng.random(20_000) * 10.0 ** rng.integers(-30, 9, 20_000)
    middles = (rng.integers(1, 10**digits, 5000) + 0.5) / 10.0 ** rng.integers(0, 12, 5000)
    odd = np.array([0.0, -0.0, 1.0, 0.1, 0.01, 0.99999999, 1e-310, 5e-324, 1e300, np.inf, -np.inf, np.nan])
    values = np.concatenate([spread, -spread[:99], spread.astype(np.float32), middles, odd, 10.0 ** -np.arange(30)])
    values = np.concatenate([values, np.nextafter(middles, 1), np.nextafter(middles, 0)]).tolist()
    found = shortened(values, digits)
    assert list(map(repr, found)) == [repr(short(value, digits)) for value in values]
    assert found.count(None) == 3


def test_lists_of_lists_are_searched_for_texts():
    """What holds numbers alone is taken over as it is; a text in the depth of a list is not."""
    assert embed([[1, 2], [3.5, None]]) == "[[1,2],[3.5,null]]"
    assert embed([[1], ["\u202e"]]) == embed([[1], [visible("\u202e")]])
    assert "\u202e" not in embed([[[1]], [["\u202e"]]])
    assert embed([[], [{"a": "\u202e"}]]) == embed([[], [{"a": visible("\u202e")}]])
