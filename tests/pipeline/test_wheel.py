"""The wheel alone, in an empty environment and far from a checkout: `superficial ask` answers."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support.project import ROOT

BUILT = ("src", "config", "workflow", "profiles", "resources")
FILES = ("Snakefile", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The folder of programs of an environment that has the wheel, and the dependencies of this one."""
    source, venv = tmp_path / "source", tmp_path / "venv"
    for name in BUILT:
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", ".snakemake")
        )
    for name in FILES:
        shutil.copy(ROOT / name, source)
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "check": True}
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, **quiet)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.rmtree(source)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], **quiet)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")  # editable installs there do not count
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin/python"), "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], **quiet)
    return venv / "bin"


def test_the_wheel_alone_answers_a_question(installed: Path, tmp_path: Path, tiny_models: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "aligned").symlink_to(tiny_models / "aligned")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": f"{installed}:{environment['PATH']}"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["superficial", *words], cwd=empty, text=True, capture_output=True, env=environment)

    assert "ask" in run().stdout
    # A folder named from here is found, though the work is done elsewhere.
    pair = ["pair=custom", f"base={tiny_models}/base", "aligned=aligned", "generate.max_new_tokens=6"]
    result = run("ask", "How do I keep a plant alive?", *pair)
    assert result.returncode == 0, result.stderr
    assert "mean KL" in result.stdout
    home = tmp_path / "cache/superficial"
    assert (home / "Snakefile").is_file()
    assert list(home.glob("results/shifts/*/*/zero_shot.parquet"))
    assert [path.name for path in empty.iterdir()] == ["aligned"]
