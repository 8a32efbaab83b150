"""A system without POSIX is told so in one line, and the page names what the code calls."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.fault("operating system", "the system is not POSIX", "one line that names WSL; exit code 1")
def test_without_file_locks_the_program_ends_in_one_line():
    script = "import sys; sys.modules['fcntl'] = None; import superficial.pipeline.run"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("error: this system is not POSIX")
    assert "remedy: on Windows install WSL 2" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_page_names_every_module_that_only_posix_has():
    page = (ROOT / "docs/platforms.md").read_text()
    package = ROOT / "src/superficial"
    users = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if re.search(
            r"^import (fcntl|resource|pwd|grp|termios|pty)$|\bos\.(link|fork|killpg|setsid)\(", file.read_text(), re.M
        )
    }
    named = set(re.findall(r"`([\w/]+\.py)`", page))
    assert users
    assert users <= named
    assert all((package / name).is_file() for name in named)
