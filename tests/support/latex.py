"""Tables in LaTeX, typeset by pdflatex where it is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

PDFLATEX = shutil.which("pdflatex")
with_latex = pytest.mark.skipif(not PDFLATEX, reason="no pdflatex: apt-get install texlive-latex-base")
DOCUMENT = "\\documentclass{article}\n%s\\begin{document}\n%s\\end{document}\n"


def packages() -> list[str]:
    """Preambles that a table must compile under: none, and booktabs where it is installed."""
    found = subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).returncode == 0
    return ["", *(["\\usepackage{booktabs}\n"] if found else [])]


def typeset(text: str, folder: Path, more: str = "") -> None:
    """Insist that `text`, the inside of a document, makes a PDF without a single error; `more` packages are loaded."""
    for number, preamble in enumerate(packages()):
        (folder / f"table{number}.tex").write_text(DOCUMENT % (more + preamble, text), encoding="utf-8")
        command = [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", f"table{number}"]
        made = subprocess.run(command, cwd=folder, capture_output=True)
        assert made.returncode == 0, made.stdout.decode(errors="replace")[-2000:]
