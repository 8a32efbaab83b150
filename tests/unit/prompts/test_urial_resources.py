"""The prompts of our own: what the recipe asks of them, whose words they are, how long they are."""

import json
import re
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from superficial.data.readers import read_instructions
from superficial.pipeline.run import Run
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.pool import PoolExample, read_pool

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "resources/urial"
PUBLISHED = ROOT.parent / "shared/published/urial_prompts"
GEMMA = ROOT / "results/models/gemma3_270m"
REFUSALS = {"brakes", "meter", "referee"}
PAPER = {"urial_k1": 543, "urial_k3": 1011, "urial_k8": 2026}  # tokens (section 4.2)


@pytest.fixture(scope="module")
def pool() -> dict[str, PoolExample]:
    return read_pool(FOLDER / "examples.jsonl")


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def grams(text: str, n: int) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[start : start + n]) for start in range(len(found) - n + 1)}


def other_texts() -> dict[str, str]:
    """Everything that an example must not repeat, by where it stands."""
    rows = [json.loads(line) for line in (ROOT / "resources/alignment/train.jsonl").read_text().splitlines()]
    demo = read_instructions(ROOT / "resources/datasets/demo.jsonl")
    return {row["id"]: row["instruction"] for row in rows} | {one.id: one.instruction for one in demo}


def test_the_methods_use_what_is_there(pool: dict[str, PoolExample]):
    run = Run(ROOT / "config")
    k8, alt = (run.method(name).prompt.examples for name in ("urial_k8", "urial_k3_alt"))
    assert k8 is not None
    assert alt is not None
    assert set(k8.ids) | set(alt.ids) == set(pool)
    for name in ("urial_k3", "urial_k3_alt"):
        examples = run.method(name).prompt.examples
        assert examples is not None
        assert len(set(examples.ids) & REFUSALS) == 1  # one kind refusal of three (paper, section 3.2)


def test_restyled_answers_follow_the_recipe(pool: dict[str, PoolExample]):
    for name, one in pool.items():
        assert len(words(one.restyled)) > len(words(one.plain))
        assert "```" not in one.instruction + one.restyled + one.plain, name  # the template's own fence
        assert "# Query" not in one.restyled
        assert one.restyled == one.restyled.strip("\n")
        if name in REFUSALS:
            assert re.search(r"\bcan't\b", one.restyled)
            assert re.search(r"\b(help|glad|gladly)\b", one.restyled), name  # offers something better
            assert "\n" not in one.restyled, name  # prose is one paragraph: the line that ends closes the answer
        elif name != "kite_poem":
            numbers = [int(found) for found in re.findall(r"(?m)^(\d)\. [^:\n]+: \S", one.restyled)]
            assert numbers == list(range(1, len(numbers) + 1)), name
            assert len(numbers) >= 2
            assert re.search(r"(?m)^\d\. .+\n\n(?!\d\.).+\Z", one.restyled), name  # the closing stands by itself
        assert one.restyled[-1] in "!?.", name


def test_no_example_repeats_the_demo_or_the_alignment_data(pool: dict[str, PoolExample]):
    """By normalised text, by runs of 7 words, and by the share of common words."""
    for where, text in other_texts().items():
        for one in pool.values():
            left, right = set(words(text)), set(words(one.instruction))
            assert words(text) != words(one.instruction), (where, one.id)
            assert not grams(text, 7) & grams(one.instruction, 7), (where, one.id)
            assert len(left & right) <= 0.4 * len(left | right), (where, one.id)


def test_the_words_are_ours(pool: dict[str, PoolExample]):
    """No run of 6 words of the published prompts, no topic of theirs."""
    if not PUBLISHED.is_dir():
        pytest.skip(f"the published prompts are not in {PUBLISHED}")
    ours = [(FOLDER / "system.txt").read_text()]
    ours += [text for one in pool.values() for text in (one.instruction, one.restyled, one.plain)]
    for file in sorted(PUBLISHED.glob("*.txt")):
        theirs = grams(file.read_text(), 6)
        for text in ours:
            assert not grams(text, 6) & theirs, (file.name, grams(text, 6) & theirs)
        for instruction in re.findall(r"# Query:\n```\s*(.+?)\s*```", file.read_text(), re.S):
            for one in pool.values():
                left, right = set(words(instruction)), set(words(one.instruction))
                assert len(left & right) <= 0.4 * len(left | right), (instruction, one.id)


def test_what_can_be_checked_is_true(pool: dict[str, PoolExample]):
    """The arithmetic of the puzzle, the code of the function."""
    assert 240 / (8 - 2) == 40
    assert 40 * 8 - 40 * 2 == 240
    for text in (pool["leap_year"].restyled, pool["leap_year"].plain):
        lines = [line[4:] for line in text.split("\n") if line.startswith("    ")]
        space: dict[str, object] = {}
        exec("\n".join(lines), space)  # our own text, not a model's
        import calendar

        is_leap_year = space["is_leap_year"]
        assert callable(is_leap_year)
        assert all(is_leap_year(year) == calendar.isleap(year) for year in range(1600, 2401))


def test_prompts_are_about_as_long_as_the_papers(monkeypatch: pytest.MonkeyPatch):
    if not (GEMMA / "tokenizer.json").is_file():
        pytest.skip("results/models/gemma3_270m has not been made")
    monkeypatch.chdir(ROOT)
    tokenizer = AutoTokenizer.from_pretrained(GEMMA, local_files_only=True)
    run = Run(Path("config"))
    reported = (FOLDER / "README.md").read_text()
    for name, tokens in PAPER.items():
        files = [Path(file) for file in run.prompt_files(name)]
        prompt = PromptBuilder(run.method(name).prompt, tokenizer, files, model="m").build("?")
        assert abs(len(prompt.ids) / tokens - 1) <= 0.15, (name, len(prompt.ids))
        assert f"| `{name}` | {len(prompt.ids):,} | {tokens:,} |" in reported
