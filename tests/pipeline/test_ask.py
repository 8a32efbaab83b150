"""`superficial ask` on tiny models: through the workflow, into the terminal, and with nothing made twice."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
from support.project import Project

QUESTIONS = ["How do I keep a plant alive?", "What can I do in a dark room without water?"]


def ask(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    """Ask in the project's folder; what would open a browser prints the address."""
    command = [sys.executable, "-m", "superficial", "ask", *words, "experiment=smoke"]
    environment = os.environ | {"BROWSER": "echo opened %s", "COLUMNS": "120"}
    return subprocess.run(command, cwd=project.folder, text=True, capture_output=True, env=environment)


def test_questions_are_answered_from_the_token_table_and_only_once(project: Project):
    first = ask(project, *QUESTIONS, "--compare", "urial_k3", "--open")
    assert first.returncode == 0, first.stderr
    (instructions,) = (project.folder / "results/ask").glob("*.jsonl")
    name, results = instructions.stem, project.folder / "results"
    tokens = pd.read_parquet(results / f"shifts/{name}/tiny/zero_shot.parquet")
    own = pd.read_parquet(results / f"responses/{name}/tiny_base/urial_k3.parquet")
    assert len(tokens) > 10
    shares = re.findall(r"^(unshifted|shifted) +([\d.]+) +%", first.stdout, re.MULTILINE)
    for number, text in enumerate(QUESTIONS):
        assert text in first.stdout
        of_this = Counter(tokens.loc[tokens["example_id"] == str(number + 1), "category"])
        for kind, shown in shares[2 * number : 2 * number + 2]:
            assert float(shown) == round(100 * of_this[kind] / of_this.total(), 1)
    shifted = tokens[tokens["category"] == "shifted"]
    texts = "".join([*tokens["token"], *shifted["base_top_tokens"].str[0], *own["text"]])  # they may hold a sign, too
    for sign, kind in (("«", "shifted"), ("‹", "marginal")):
        legends = len(QUESTIONS)
        there = first.stdout.count(sign) - legends - texts.count(sign)
        assert there == (tokens["category"] == kind).sum() > 0
    assert len(own) == len(QUESTIONS)
    assert "\x1b" not in first.stdout + first.stderr

    # What happens is told in a few lines; Snakemake's own words are in the log.
    steps = first.stderr.splitlines()
    assert len(steps) == len(set(steps)) < 12
    assert "answering" in first.stderr
    assert "Finished jobid" in (results / f"logs/ask/{name}.log").read_text()
    assert not re.search("snakemake|jobid|rule", first.stderr, re.IGNORECASE)

    # The page is a page of its own.
    page = Path(first.stdout.rstrip().splitlines()[-2])
    assert first.stdout.rstrip().endswith(f"opened {page.as_uri()}")
    assert page.is_relative_to(results / "ask" / name)
    assert all(json.dumps(text)[1:-1] in page.read_text() for text in QUESTIONS)
    assert name not in page.read_text()
    assert '"your questions"' in page.read_text()
    assert not (results / "browser").exists()

    # The second time there is nothing to do, in another order of words as well.
    again = ask(project, "--compare=urial_k3", *QUESTIONS)
    assert again.stdout == first.stdout[: len(again.stdout)]
    assert "Finished jobid" not in (results / f"logs/ask/{name}.log").read_text()


def test_what_the_workflow_refuses_is_one_line(project: Project):
    for words, said in {
        ("pair=tinny",): "did you mean tiny?",
        ("--compare", "urial_k33"): "did you mean urial_k3",
        ("pair=custom", "base=nowhere", "aligned=nowhere"): "no folder nowhere",
        ("generate.max_new_tokens=5000",): "max_new_tokens",  # a job says so, not the command
    }.items():
        result = ask(project, QUESTIONS[0], *words)
        assert result.returncode == 2
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert said in errors[0]
        assert result.stdout == ""
