"""Statistics of answers against a plain computation, the table, and the two drawings."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from support.answers import Letters, answered

from superficial.artifacts.errors import UserError
from superficial.artifacts.markup import visible
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import (
    AnsweringSystem,
    FailuresFigure,
    MethodsExample,
    ResponseStatsStage,
    ResponsesView,
    RuntimeConfig,
    ShownSystem,
)
from superficial.judging.responses.example import pick_example
from superficial.judging.responses.failures import MEASURES
from superficial.judging.responses.stage import answer_table, beyond
from superficial.judging.responses.statistics import response_table
from superficial.pipeline.run import Run
from superficial.views.figures import method_failures, methods_example
from superficial.views.figures.prose import MISSING, drawable, lines
from superficial.views.tables import responses as responses_table

CONFIG = Path(__file__).resolve().parents[3] / "config"
RUNTIME = RuntimeConfig(device="cpu", generate_batch=1, score_tokens=1, position_chunk=1)
STATS = {"resamples": 300, "confidence": 0.9, "seed": 3}
NAMES = ["base.zero_shot", "base.urial_k3", "aligned.aligned"]
CFG = ResponseStatsStage(
    **STATS,
    systems=[AnsweringSystem(name=name, baseline="" if name == NAMES[0] else NAMES[0]) for name in NAMES],
)
LOOK = {
    "dpi": 60, "unshifted": "#000", "marginal": "#000", "shifted": "#000", "max_position": 8, "min_examples": 3,
    "example_tokens": 20,
}  # fmt: skip
SHOWN = [
    ShownSystem(name=name, model=name.split(".")[0], method=name.split(".")[1], repetition_penalty=penalty)
    for name, penalty in zip(NAMES, (1.1, 1.1, 1.0), strict=True)
]
VIEW = {"dataset": "made", "confidence": 0.9, "max_new_tokens": 64, "systems": SHOWN}
QUERY = "How do I keep a fern alive in a dark room?"


def data(size: int = 12) -> pd.DataFrame:
    rows = [
        {"id": f"q{at}", "instruction": f"{QUERY} {at}", "category": "safety" if at % 4 == 0 else "regular"}
        for at in range(size)
    ]
    return pd.DataFrame(rows)


def responses(asked: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    endings = ["\n```\n\n", "", "\n\n# Query:"]
    rows = [
        {"id": name, **answered("word " * int(rng.integers(1, 40)) + endings[int(rng.integers(3))])}
        for name in asked["id"]
    ]
    return pd.DataFrame(rows)


def answers() -> pd.DataFrame:
    parts = []
    for seed, name in enumerate(NAMES):
        found = responses(data(), seed)
        parts.append(answer_table(data(), found, list(beyond(found, Letters()))).assign(system=name))
    return pd.concat(parts, ignore_index=True)


def test_the_table_equals_a_plain_computation():
    every = answers()
    found = response_table(every, CFG).set_index(["system", "measure"])
    zero = every[every["system"] == NAMES[0]].set_index("id")
    for name in NAMES:
        own = every[every["system"] == name].set_index("id")
        for key in MEASURES:
            row = found.loc[(name, key)]
            assert row["mean"] == pytest.approx(own[key].mean())
            assert row["ci_low"] <= row["mean"] <= row["ci_high"]
            assert row["n"] == 12
            if name == NAMES[0]:
                assert np.isnan(row["difference"])
            else:
                assert row["difference"] == pytest.approx((own[key] - zero[key]).mean())
                assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    # Paired: what is equal in both has no spread.
    same = pd.concat([zero.reset_index().assign(system=name) for name in NAMES])
    assert (response_table(same, CFG).dropna()[["difference_low", "difference_high"]] == 0).all(axis=None)


def test_rows_stand_in_the_order_of_the_run_and_of_the_data():
    every = answers()
    assert list(dict.fromkeys(response_table(every.iloc[::-1], CFG)["system"])) == NAMES
    shuffled = responses(data(), 0).iloc[::-1]
    found = answer_table(data(), shuffled, list(beyond(shuffled, Letters())))
    pd.testing.assert_frame_equal(found, every[every["system"] == NAMES[0]].drop(columns="system"))


def test_unknown_values_are_left_out_of_means():
    every = answers()
    every.loc[(every["system"] == NAMES[1]) & (every["id"] == "q3"), "tokens"] = np.nan
    every.loc[every["system"] == NAMES[2], "tokens"] = np.nan
    found = response_table(every, CFG).set_index(["system", "measure"])
    assert found.loc[(NAMES[1], "tokens"), "n"] == 11
    assert np.isnan(found.loc[(NAMES[2], "tokens"), "mean"])
    text = responses_table.markdown(
        responses_table.titled(found.reset_index(), ResponsesView(**VIEW)), ResponsesView(**VIEW)
    )
    assert "| – |" in text
    assert "nan" not in text
    assert "n = 12 instructions" in text


def test_near_ties_are_counted_below_the_table():
    every, view = answers(), ResponsesView(**VIEW)

    def note() -> str:
        return responses_table.note(responses_table.titled(response_table(every, CFG), view), view)

    assert "go on otherwise: none." in note()
    every.loc[(every["system"] == NAMES[1]) & every["id"].isin(["q3", "q7"]), "near_ties"] = [1, 2]
    assert "go on otherwise: 3 in base, urial_k3." in note()
    every["near_ties"] = np.nan  # a server answered
    assert "ear ties" not in note()


def test_the_table_is_written_in_three_formats_with_the_same_numbers(tmp_path: Path):
    stats = tmp_path / "stats.csv"
    write_table(response_table(answers(), CFG), stats)
    out = [tmp_path / f"responses{end}" for end in (".csv", ".md", ".tex")]
    responses_table.run(ResponsesView(**VIEW), RUNTIME, stats=stats, out=out)
    table = read_table(out[0])
    assert list(dict.fromkeys(table["system"])) == NAMES
    for row in table[table["measure"] == "words"].to_dict("records"):
        value = f"{row['mean']:.1f}"
        assert value in out[1].read_text()
        assert value in out[2].read_text()
    for path in out[1:]:
        assert "n = 12 instructions" in path.read_text()
        assert (
            "at most 64 new tokens; repetition penalty 1.1 for base; no repetition penalty for aligned"
            in path.read_text()
        )


def test_slices_name_systems_in_order_and_hold_each_against_zero_shot_of_its_base():
    run = Run(CONFIG)
    cfg = ResponseStatsStage.model_validate_json(run.slice("response_stats"))
    assert [system.name for system in cfg.systems] == [".".join(system) for system in run.systems]
    base = run.settings.pair.base.name
    assert {system.name: system.baseline for system in cfg.systems} == {
        f"{model}.{method}": "" if method == "zero_shot" else f"{base}.zero_shot" for model, method in run.systems
    }
    without = Run(CONFIG, ["methods=[urial_k3]"])
    assert not any(
        one.baseline for one in ResponseStatsStage.model_validate_json(without.slice("response_stats")).systems
    )
    example = MethodsExample.model_validate_json(without.slice("methods_example"))
    assert (example.zero_shot, example.urial) == (None, f"{base}.urial_k3")
    # A title must not rerun the statistics, and a resample not the drawing of one instruction.
    assert Run(CONFIG, ["response.title=X"]).slice("response_stats") == run.slice("response_stats")
    assert Run(CONFIG, ["stats.seed=9"]).slice("methods_example") == run.slice("methods_example")


def example(**changes: object) -> MethodsExample:
    return MethodsExample(**LOOK, **VIEW, zero_shot=NAMES[0], urial=NAMES[1]).model_copy(update=changes)


def test_the_example_is_the_first_regular_one_that_tells_something():
    rows = [
        (
            name,
            system,
            "safety" if name == "a" else "regular",
            float(system == NAMES[0] or (name, system) == ("b", NAMES[1])),
        )
        for system in NAMES
        for name in "abcd"
    ]
    table = pd.DataFrame(rows, columns=["id", "system", "category", "fails"]).assign(empty=0.0)
    assert pick_example(table, example())[0] == "c"  # a is no regular one, on b URIAL fails too
    silent = table.assign(empty=((table["id"] == "c") & (table["system"] == NAMES[1])).astype(float))
    assert pick_example(silent, example())[0] == "d"  # no answer is no good answer
    assert pick_example(table, example(urial=None))[0] == "b"
    assert pick_example(table, example(zero_shot=None))[0] == "b"
    assert pick_example(table.assign(category="safety"), example())[0] == "a"
    assert pick_example(table, example(example="d"))[0] == "d"
    with pytest.raises(UserError, match=r"figure\.example.*no instruction 'z'"):
        pick_example(table, example(example="z"))


HOSTILE = [
    "costs $5 and $x_{1}$ \\frac{} " + "x" * 400,
    "bell\x07 escape\x1b[31m tab\there\r\nreturn\rlone \u202eright to left\u200b",
    "中文 " * 30 + "العربية हिन्दी 😀 \U0010ffff " + "字" * 200,
    "",
    " \n\n\n ",
    "<b>&amp;</b> %s {0} \\n\n" * 60,
]


def test_lines_hold_every_character_and_no_more_than_fits():
    width, size = 2.0, 6.4
    narrow, broad = "il" * 100, "MW" * 100
    for text in (narrow, broad):
        found = lines(text, width, size)
        assert "".join(found) == text
        assert len(found) > 1
    assert len(lines(broad, width, size)) > len(lines(narrow, width, size))  # by measure, not by count
    assert " ".join(lines("some words that go on " * 20, width, size)) == " ".join(
        ("some words that go on " * 20).split()
    )
    assert lines("a\n\n\n\nb", width, size) == ["a", "", "b"]
    assert drawable("\x07字\u202e$") == f"{MISSING}{MISSING}$"


def test_hostile_text_draws_and_comes_back_from_the_csv(tmp_path: Path, recwarn: pytest.WarningsRecorder):
    asked = data(1).assign(instruction=HOSTILE[1] + HOSTILE[2])
    shown = [SHOWN[0].model_copy(update={"name": f"m.s{at}", "method": f"$s_{at}$"}) for at in range(len(HOSTILE))]
    files, parts = [], []
    for at, text in enumerate(HOSTILE):
        table = pd.DataFrame(
            [{"id": "q0", "text": text, "token_ids": [1, 2], "finish_reason": "length", "near_ties": 0}]
        )
        files.append(tmp_path / f"{at}.parquet")
        write_table(table, files[-1])
        parts.append(answer_table(asked, table, [""]).assign(system=f"m.s{at}"))
    write_table(asked, tmp_path / "data.parquet")
    write_table(pd.concat(parts), tmp_path / "answers.csv")
    cfg = example(systems=shown, zero_shot="m.s0", urial=None)
    made = []
    for folder in ("one", "two"):
        out = tmp_path / folder / "methods_example.pdf"
        inputs = {"data": tmp_path / "data.parquet", "answers": tmp_path / "answers.csv", "responses": files}
        methods_example.run(cfg, RUNTIME, **inputs, out=out)
        made.append([out.with_suffix(end).read_bytes() for end in (".pdf", ".png", ".svg", ".csv")])
    assert made[0] == made[1]
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    table = read_table(tmp_path / "one/methods_example.csv").fillna("")
    assert table["text"].to_list() == [visible(text) for text in HOSTILE]


def test_failures_are_drawn_from_the_table_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    drawn = SimpleNamespace(texts=[])
    save = method_failures.save

    def kept(figure, *rest):
        drawn.texts = [text.get_text() for axis in figure.axes for text in axis.texts]
        save(figure, *rest)

    monkeypatch.setattr(method_failures, "save", kept)
    every = response_table(answers(), CFG)
    every.loc[(every["system"] == NAMES[2]) & (every["measure"] == "loops"), ["mean", "ci_low", "ci_high"]] = np.nan
    write_table(every, tmp_path / "stats.csv")
    out = tmp_path / "method_failures.pdf"
    method_failures.run(FailuresFigure(**LOOK, **VIEW), RUNTIME, stats=tmp_path / "stats.csv", out=out)
    rows = every[every["measure"].isin(method_failures.SHOWN) & every["mean"].notna()]
    for row in rows.to_dict("records"):
        assert f"{100 * row['mean']:.0f} [{100 * row['ci_low']:.0f}, {100 * row['ci_high']:.0f}]" in drawn.texts
    assert drawn.texts.count("not known") == 1
    assert set(read_table(out.with_suffix(".csv"))["measure"]) == set(method_failures.SHOWN)
