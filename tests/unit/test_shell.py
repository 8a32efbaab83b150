"""Tests pass whatever the shell that starts them does with signals."""

import os
import signal
import subprocess
import sys
from pathlib import Path


def test_ctrl_c_reaches_what_tests_start_even_where_the_shell_ignores_it():
    """A script's background jobs are started with SIGINT ignored, and so would be everything that they start."""
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    inner = f"import conftest, subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    result = subprocess.run(
        [sys.executable, "-c", inner], text=True, stdout=subprocess.PIPE, check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    assert result.stdout == "True\n"
