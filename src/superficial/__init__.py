"""Superficial: how superficial is the alignment of a language model, measured token by token."""

from importlib.util import find_spec

if find_spec("fcntl") is None:  # locks of files: Windows has none of this kind
    raise SystemExit(
        "error: this system is not POSIX: it has no fcntl, which locks files | remedy: on Windows install WSL 2 "
        "(wsl --install) and run the same commands inside it; see docs/platforms.md"
    )
