"""What pyproject.toml cannot say: a wheel carries the workflow, so that `superficial ask` needs no checkout."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

WORKFLOW = ("Snakefile", "config", "workflow", "profiles", "resources")
LEFT_OUT = shutil.ignore_patterns(".snakemake", "__pycache__")


class BuildWithWorkflow(build_py):
    """Puts the workflow into `superficial/project/`; an editable install uses the checkout itself."""

    def run(self) -> None:
        """Build the package, then copy."""
        super().run()
        if not self.editable_mode:
            for name in WORKFLOW:
                place = Path(self.build_lib, "superficial", "project", name)
                shutil.rmtree(place, ignore_errors=True)
                place.parent.mkdir(parents=True, exist_ok=True)
                if Path(name).is_dir():
                    shutil.copytree(name, place, ignore=LEFT_OUT)
                else:
                    shutil.copy(name, place)


setup(cmdclass={"build_py": BuildWithWorkflow})
