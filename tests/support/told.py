"""Commands that the pages tell their readers to type."""

import re
from pathlib import Path


def commands(page: Path) -> list[str]:
    """What the page tells its reader to type, in order, comments left out."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+#.*", "", line[2:]) for line in lines if line.startswith("$ ")]
