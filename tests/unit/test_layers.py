"""The layers of the package are contracts in pyproject.toml; each of them refuses what it is there to refuse."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.project import ROOT

FORBIDDEN = {  # file of the package -> an import that breaks the contract whose name begins so
    "shift/category.py": ("from superficial.views.figures import style", "Layers"),
    "views/figures/shift_ratio.py": ("import torch", "Views read tables"),
    "pipeline/systems.py": ("import pandas", "The workflow starts fast"),
    "data/readers.py": ("import hydra", "Configuration alone knows Hydra"),
    "judging/judges/aspects.py": ("import snakemake", "Stages are plain Python"),
}


def contracts(folder: Path) -> dict[str, bool]:
    """Which contracts the package in `folder` keeps, by the first words of their names."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    result = subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(folder / "src")}, text=True, stdout=subprocess.PIPE
    )
    found = {}
    for _, begins in FORBIDDEN.values():
        line = next(line for line in result.stdout.splitlines() if line.startswith(begins))
        found[begins] = " KEPT" in line
        assert (" KEPT" in line) != (" BROKEN" in line), line
    assert (result.returncode == 0) == all(found.values()), result.stdout
    return found


def test_no_layer_imports_a_higher_one_and_each_contract_refuses_what_it_forbids(tmp_path: Path):
    for name in ("src", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    assert all(contracts(tmp_path).values())
    for name, (line, _) in FORBIDDEN.items():
        file = tmp_path / "src/superficial" / name
        file.write_text(f"{file.read_text()}\n{line}\n")
    assert not any(contracts(tmp_path).values())


def test_the_package_has_few_rooms_and_floors():
    """What a newcomer has to learn: packages at the root, and how deep the tree is."""
    package = ROOT / "src/superficial"
    assert len([path for path in package.iterdir() if path.name != "__pycache__"]) <= 16
    assert not [file for file in package.rglob("*.py") if len(file.relative_to(package).parts) > 4]
