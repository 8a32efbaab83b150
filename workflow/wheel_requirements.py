"""Print what the wheel FILE requires, a line each, without torch and its kin."""

import sys
import zipfile
from importlib.metadata import PathDistribution

info = next(path for path in zipfile.Path(sys.argv[1]).iterdir() if path.name.endswith(".dist-info"))
for requirement in PathDistribution(info).requires or []:
    if not requirement.startswith("torch") and "extra ==" not in requirement:
        print(requirement)
