"""A user's project in a temporary folder: the tree of this repository with tiny models configured."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from support.plans import jobs_in
from support.tiny import make_model, make_pieces

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["How", "do", "I", "keep", "a", "plant", "alive", "in", "a", "dark", "room", "without", "much", "water"]


class Project:
    """A folder to run the workflow in. Stages start from `warm` processes where there is one."""

    warm: str | None = None  # what stands for `python -m superficial`; set by the fixture of that name

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder = folder
        for name in ("config", "workflow", "profiles", "resources"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("adapters", ".snakemake"))
        shutil.copy(ROOT / "Snakefile", folder)
        if self.warm:
            self.start_stages(self.warm)
        self.add_model("tiny_base", {"kind": "local", "path": str(models / "base")})
        self.add_model("tiny_aligned", {"kind": "local", "path": str(models / "aligned")})
        self.add_model("tiny_judge", {"kind": "local", "path": str(models / "judge")})
        self.add_pair("tiny", "tiny_base", "tiny_aligned")
        judge = yaml.safe_load((folder / "config/judge/smollm2_local.yaml").read_text())
        self.add("judge/tiny", judge | {"name": "tiny", "title": "tiny judge", "model": "tiny_judge"})
        self.add_dataset("tiny", 6)
        smoke = folder / "config/experiment/smoke.yaml"
        smoke.write_text(
            re.sub(r"(override /\w+): \w+", r"\1: tiny", smoke.read_text()).replace("limit: 6", "limit: null")
        )

    def start_stages(self, command: str) -> None:
        """Let jobs start a stage by `command`."""
        jobs = self.folder / "workflow/rules/pipeline.smk"
        start = "from superficial.pipeline import job_command; job_command.START = "
        text = re.sub(f"^{start}.*\n", "", jobs.read_text(), flags=re.MULTILINE)  # of an earlier call
        imported = re.compile("^from superficial.pipeline.job_command import .*$", re.MULTILINE)
        text, found = imported.subn(lambda line: f"{line[0]}\n{start}{command!r}", text)
        assert found == 1
        jobs.write_text(text)

    @classmethod
    def at(cls, folder: Path) -> "Project":
        """The project that was made in `folder`."""
        found = cls.__new__(cls)
        found.folder = folder
        return found

    def add(self, name: str, value: object) -> None:
        (self.folder / f"config/{name}.yaml").parent.mkdir(exist_ok=True)
        (self.folder / f"config/{name}.yaml").write_text(yaml.safe_dump(value))

    def add_model(self, name: str, source: dict[str, object]) -> None:
        self.add(f"model/{name}", {"name": name, "title": name, "licence": "none", "source": source})

    def add_pair(self, name: str, base: str, aligned: str) -> None:
        defaults = [{"/model@base": base}, {"/model@aligned": aligned}]
        self.add(f"pair/{name}", {"defaults": defaults, "name": name, "title": f"{base} → {aligned}"})

    def add_dataset(self, name: str, size: int) -> Path:
        """`size` instructions of growing length."""
        path = self.folder / f"resources/datasets/{name}.jsonl"
        rows = [
            {
                "id": f"{name}-{index}", "instruction": " ".join(WORDS[: 3 + index % len(WORDS)]) + f" {index}?",
                "category": "safety" if index % 3 == 2 else "regular", "subset": "test", "tasks": ["info-seek"],
                "topics": ["nature"],
            }
            for index in range(size)
        ]  # fmt: skip
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.add(f"dataset/{name}", {"name": name, "path": str(path.relative_to(self.folder)), "limit": None})
        return path

    def copy(self, folder: Path) -> "Project":
        """The same project in another folder, to be changed there; times are kept, so nothing has to be made again."""
        shutil.copytree(self.folder, folder)
        twin: Project = object.__new__(Project)
        twin.folder = folder
        return twin

    def command(self, *targets: str, hydra: tuple[str, ...] = (), arguments: tuple[str, ...] = ()) -> list[str]:
        overrides = ",".join(("experiment=smoke", *hydra))
        config = ["--config", f"hydra=[{overrides}]"]
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, *targets, *config]

    def run(
        self, *targets: str, hydra: tuple[str, ...] = (), arguments: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run the workflow; stdout holds everything that was printed."""
        return subprocess.run(
            self.command(*targets, hydra=hydra, arguments=arguments), cwd=self.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {"OMP_NUM_THREADS": "2"},
        )  # fmt: skip

    def made(self, *targets: str, hydra: tuple[str, ...] = ()) -> "Project":
        """Run and insist on success."""
        result = self.run(*(targets or ("figures/all",)), hydra=hydra)
        assert result.returncode == 0, result.stdout[-4000:]
        return self

    def planned(self, *targets: str, hydra: tuple[str, ...] = ()) -> set[str]:
        """Names of the rules that a dry run would execute."""
        result = self.run(*(targets or ("figures/all",)), hydra=hydra, arguments=("--dry-run",))
        assert result.returncode == 0, result.stdout[-4000:]
        return set(jobs_in(result.stdout))


def make_models(folder: Path) -> Path:
    """A base model, an aligned sibling of it, one with another vocabulary, and a base with another kind of tokenizer."""
    make_model(folder / "base", seed=1, positions=8192)  # a prompt with three examples is 3,500 tokens to it
    make_model(folder / "aligned", seed=1, shift=0.06, chat=True)
    make_model(folder / "judge", seed=5, chat=True)
    make_model(folder / "other", seed=1, chat=True, seed_text="quite other words in the vocabulary")
    make_model(folder / "pieces", seed=2, positions=8192, tokenizer=make_pieces())
    return folder
