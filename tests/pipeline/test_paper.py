"""experiment=paper: planned from its file, and run as a whole on tiny models that stand in for the paper's."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from support.hub_server import HubServer
from support.plans import plans
from support.project import ROOT, Project
from support.tiny import make_model
from support.tiny_embedder import make_embedder

from superficial.data.hub import content_digest
from superficial.data.readers import read_instructions

PROMPTS = ROOT.parent / "shared/published/urial_prompts"
BASES = ("meta-llama/Llama-2-7b-hf", "mistralai/Mistral-7B-v0.1")
ALIGNED = ("meta-llama/Llama-2-7b-chat-hf", "lmsys/vicuna-7b-v1.5", "mistralai/Mistral-7B-Instruct-v0.1")
PAIRS = ("llama2_7b_chat", "llama2_7b_vicuna", "mistral_7b_instruct")
METHODS = ("zero_shot", "vanilla_icl", "retrieval_icl", "urial_k1", "urial_k3", "urial_k8")
DATASET = "re-align/just-eval-instruct"
SMALL = (
    "contexts=[urial_k3]", "generate.max_new_tokens=8", "handoff.prefixes=[0,2]", "handoff.max_new_tokens=4", "handoff.examples=2",
    "prefill.prefixes=[0,2]", "prefill.max_new_tokens=4",
    "canaries.examples=1", "pairwise.examples=1", "pairwise.cases=1", "stats.resamples=100", "stats.min_occurrences=1",
    "figure.min_examples=2", "figure.dpi=60", "judge.max_cost_usd=150",
)  # fmt: skip


KEY, TOKEN = "sk-planted-never-to-be-written-4711", "hf_planted-never-to-be-written-4712"


class Judge(ThreadingHTTPServer):
    """Answers in whatever JSON schema it is asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.processes = b""  # command lines of all processes at the first request

    def __enter__(self) -> "Judge":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Answer(BaseHTTPRequestHandler):
    server: Judge

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.server.asked:
            self.server.processes = command_lines()
        self.server.asked.append(body)
        self.server.keys.add(self.headers["authorization"])
        aspects = body["response_format"]["json_schema"]["schema"]["properties"]
        said = {
            aspect: {key: value.get("enum", ["a reason"])[len(aspect) % 3 if "enum" in value else 0]
                     for key, value in parts["properties"].items()}
            for aspect, parts in aspects.items()
        }  # fmt: skip
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": json.dumps(said)}}
        usage = {"prompt_tokens": 900, "completion_tokens": 100}
        data = json.dumps({"id": "x", "model": body["model"], "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def command_lines() -> bytes:
    found = b""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it may have ended
            found += file.read_bytes()
    return found


def command(project: Project, experiment: str, *hydra: str, targets: tuple[str, ...] = ("figures/all",)) -> list[str]:
    """What a user types, with an experiment of the repository."""
    words = project.command(*targets, hydra=hydra)
    return [word.replace("experiment=smoke", f"experiment={experiment}") for word in words]


def test_the_experiments_of_large_models_are_planned_without_any(project: Project):
    commands = {name: command(project, name) for name in ("paper", "stages", "ablation_k")}
    found = plans(project.folder, commands)
    paper = found["paper"]
    # Llama-2-7b is the base of two pairs: it is fetched once, and answers and is judged once.
    assert [paper[rule] for rule in ("model", "generate", "judge", "canaries", "pairwise")] == [5, 15, 15, 3, 5]
    assert [paper[rule] for rule in ("pair", "score", "compare", "kinds", "stats", "handoff")] == [3, 18, 15, 3, 3, 3]
    assert [paper[rule] for rule in ("prefill", "prefill_stats", "refusals_agreement")] == [6, 3, 1]
    assert [paper[rule] for rule in ("data", "retrieve", "index", "published_prompt")] == [1, 1, 1, 4]
    assert [found["stages"][rule] for rule in ("model", "generate", "compare", "judge")] == [5, 5, 9, 5]
    assert [found["ablation_k"][rule] for rule in ("generate", "compare", "judge", "pairwise")] == [7, 5, 7, 4]
    assert not (project.folder / "results").exists()


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The finished run: models and instructions from a hub, the paper's prompts, a judge behind an endpoint."""
    if not PROMPTS.is_dir():
        pytest.skip(f"the paper's prompts are not in {PROMPTS}")
    folder = tmp_path_factory.mktemp("paper")
    project = Project(folder / "project", folder / "none")
    hub = {DATASET: folder / "dataset"}
    for number, name in enumerate((*BASES, *ALIGNED)):
        chat = name in ALIGNED
        hub[name] = make_model(folder / name, seed=1, shift=0.02 * number if chat else 0.0, chat=chat, positions=16384)
    content = make_instructions(folder / "dataset/default/test/0000.parquet")
    texts = ["How do I keep a plant alive?", "write a poem about the sky and explain why it is blue"]
    make_embedder(folder / "embedder", texts)
    project.add(
        "embedding/words",
        {"name": "words", "licence": "none", "source": {"kind": "local", "path": str(folder / "embedder")}},
    )
    index = yaml.safe_load((project.folder / "config/index/alignment.yaml").read_text())
    project.add("index/alignment", index | {"embedding": "words"})
    with pytest.MonkeyPatch.context() as patch, HubServer(hub) as server, Judge() as judge:
        server.branches.add("refs/convert/parquet")
        server.use(patch, folder / "hf")
        patch.delenv("SUPERFICIAL_HUB_OFFLINE")
        patch.setenv("HF_HUB_OFFLINE", "0")
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setenv("HF_TOKEN", TOKEN)
        hydra = (*SMALL, f"judge.base_url=http://127.0.0.1:{judge.server_port}/v1", f"prompt_dir={PROMPTS}",
                 f"dataset.hub.content={content}")  # fmt: skip
        words = command(project, "paper", *hydra, targets=("figures/all", "report"))
        said = ""
        for further in ([], ["--report", "results/report.html"]):
            result = subprocess.run(
                [*words, *further], cwd=project.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            said += result.stdout
            assert result.returncode == 0, result.stdout[-6000:]
        project.judge_asked, project.judge = judge.asked, judge  # type: ignore[attr-defined]
        project.said, project.hub_cache = said, folder / "hf"  # type: ignore[attr-defined]
        project.again = [words[0], *words[1:], "--dry-run"]  # type: ignore[attr-defined]
        yield project


def make_instructions(path: Path) -> str:
    """Four instructions as the hub converts the paper's dataset; returns the digest that pins them."""
    path.parent.mkdir(parents=True)
    rows = [
        {"id": number, "instruction": text, "source_id": f"made-{number}", "dataset": "made", "category": category,
         "task": ["info-seek"] if category == "regular" else [], "topic": ["nature"] if category == "regular" else [],
         "difficulty": None}
        for number, (text, category) in enumerate(
            [("How do I keep a plant alive?", "regular"), ("Why is the sky blue?", "regular"),
             ("Write a poem about rain.", "regular"), ("How do I pick my neighbour's lock?", "safety")]
        )
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(path)
    return content_digest(read_instructions(path))


def test_the_whole_paper_runs_on_stand_ins(paper: Project):
    results = paper.folder / "results"
    for name in ("shift_example", "shift_ratio", "shift_by_position", "shift_by_topic", "shift_by_kind", "aspects_radar",
                 "prefix_handoff", "tasks_topics_radar", "judge_trust", "method_failures", "methods_example"):  # fmt: skip
        assert (results / f"figures/{name}.pdf").stat().st_size > 2000, name
    answered = {file.relative_to(results / "responses/just_eval").with_suffix("").as_posix()
                for file in (results / "responses").rglob("*.parquet")}  # fmt: skip
    bases = {f"{base}/{method}" for base in ("llama2_7b", "mistral_7b") for method in METHODS}
    assert answered == bases | {f"{one}/aligned" for one in ("llama2_7b_chat", "vicuna_7b_v1_5", "mistral_7b_instruct")}
    assert (results / "browser/index.html").is_file()


def test_every_figure_of_pairs_holds_all_of_them(paper: Project):
    figures = paper.folder / "results/figures"
    for name in ("shift_by_position", "shift_by_topic", "shift_by_kind", "prefix_handoff"):
        assert set(PAIRS) <= set(pd.read_csv(figures / f"{name}.csv")["pair"]), name
    titles = list(dict.fromkeys(pd.read_csv(figures / "shift_ratio.csv")["title"]))
    assert titles[:3] == ["Llama-2-7b → chat", "Llama-2-7b → Vicuna-v1.5", "Mistral-7B-v0.1 → Instruct"]
    scores = pd.read_csv(paper.folder / "results/tables/scores.csv")
    assert len(set(scores["system"])) >= 15


def test_models_say_which_repository_they_are(paper: Project):
    repositories = {
        json.loads(file.read_text())["source"]["repo"]
        for file in (paper.folder / "results/models").glob("*/manifest.json")
    }
    assert repositories == {*BASES, *ALIGNED}


def test_prompts_are_the_papers_own(paper: Project):
    """K = 3 begins with the published text, and its file is part of the answer's key."""
    meta = paper.folder / "results/responses/just_eval/llama2_7b/urial_k3.parquet.meta.json"
    config = json.loads(meta.read_text())["config"]["prompt"]
    assert (config["published"], config["examples"], config["system"]) == ("inst_1k.txt", None, None)


def test_the_judge_was_asked_once_for_each_answer(paper: Project):
    asked = [json.dumps(body, sort_keys=True) for body in paper.judge_asked]  # type: ignore[attr-defined]
    assert len(set(asked)) == len(asked)
    assert {body["model"] for body in paper.judge_asked} == {"gpt-4o-2024-08-06"}  # type: ignore[attr-defined]


def test_keys_are_sent_and_stand_nowhere(paper: Project):
    """Not in results, report, sidecars, logs, Snakemake's own records, the hub's cache, the terminal or a process."""
    judge: Judge = paper.judge  # type: ignore[attr-defined]
    assert judge.keys == {f"Bearer {KEY}"}
    assert b"\0judge\0" in judge.processes  # the job that asks is in the list, so that its words were looked at
    said: str = paper.said  # type: ignore[attr-defined]
    assert [key for key in (KEY, TOKEN) if key in said or key.encode() in judge.processes] == []
    files = [file for top in (paper.folder, paper.hub_cache) for file in top.rglob("*") if file.is_file()]  # type: ignore[attr-defined]
    parts = {part for file in files for part in file.parts}
    assert {".snakemake", "logs", "judgments", "blobs", "report.html"} <= parts
    holders = [file for file in files if any(key.encode() in file.read_bytes() for key in (KEY, TOKEN))]
    assert holders == []


def test_nothing_is_left_to_do(paper: Project):
    again = subprocess.run(paper.again, cwd=paper.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # type: ignore[attr-defined]
    assert "Nothing to be done" in again.stdout, again.stdout[-3000:]
    assert sys.executable in paper.again[0]  # type: ignore[attr-defined]
