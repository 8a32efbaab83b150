"""What the README's command installs: named once, by version and hash, with licences that are allowed. All offline."""

import re
from functools import cache
from importlib.metadata import Distribution, distribution, metadata

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.project import ROOT

OF_TORCH = "nvidia-|cuda-|triton"  # what some builds of torch bring
REMEDY = "run `make requirements`, then commit constraints.txt and requirements.lock"
# Licences that this project may be used with, as SPDX names them. Copyleft ones are named by package below.
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CNRI-Python", "HPND", "ISC", "MIT", "MIT-CMU", "MIT-0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
}  # fmt: skip
# As older packages say it, in `License:` or in a classifier.
SAID = {
    "Apache": "Apache-2.0", "Apache 2.0": "Apache-2.0", "Apache License 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0", "Apache Software License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0", "BSD": "BSD-3-Clause", "BSD License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause", "BSD 3-Clause": "BSD-3-Clause", "MIT License": "MIT", "mit": "MIT",
    "Python Software Foundation License": "PSF-2.0", "PSF": "PSF-2.0", "PSFL": "PSF-2.0",
    "ISC License (ISCL)": "ISC", "MIT License (MIT)": "MIT", "The Unlicense (Unlicense)": "Unlicense",
}  # fmt: skip
# Each read by a person: weak copyleft, whose files we do not change, and what is not distributed with the package's code.
NAMED = {
    "certifi": "Mozilla Public License 2.0 (MPL 2.0)",
    "pathspec": "Mozilla Public License 2.0 (MPL 2.0)",
    "hypothesis": "MPL-2.0",
    "tqdm": "MPL-2.0 AND MIT",
    "docutils": "Public Domain AND BSD-3-Clause AND GNU General Public License (GPL)",  # GPL: its mode for Emacs alone
}


def lines(name: str) -> list[str]:
    """Requirements of a file, one a line, without comments and without hashes."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def parsed(name: str) -> dict[str, Requirement]:
    found = [Requirement(line.split(" --hash")[0]) for line in lines(name)]
    assert len({canonicalize_name(one.name) for one in found}) == len(found)
    return {canonicalize_name(one.name): one for one in found}


@cache
def needed(**place: str) -> dict[str, Distribution | None]:
    """Every distribution that the package and its tests need, with theirs, at a `place` (here); None: not installed."""
    found: dict[str, Distribution | None] = {}
    waiting, seen = [("superficial", frozenset({"test"}))], set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = next(iter(Distribution.discover(name=name)), None)
        for line in (found[name].requires or ()) if found[name] else ():
            one = Requirement(line)
            environments = ({**default_environment(), **place, "extra": extra} for extra in extras | {""})
            if one.marker is None or any(map(one.marker.evaluate, environments)):
                waiting.append((str(canonicalize_name(one.name)), frozenset(one.extras)))
    del found["superficial"]
    return found


def test_every_package_is_pinned_by_version_and_by_sha256():
    for line in lines("requirements.lock"):
        requirement, *hashes = line.split(" --hash=")
        assert re.fullmatch(r"[\w.-]+==[^\s;*]+( ; .+)?", requirement.strip()), line
        assert hashes, line
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one.strip()) for one in hashes), line
    assert not re.search(r"(?m)^\s*-(?!-hash)|://", (ROOT / "requirements.lock").read_text()), (
        "an index, a URL or an option"
    )


def test_both_lists_name_the_same_versions():
    """Conda takes the list without hashes. The wheels of torch differ by machine, so it alone has none."""
    locked, named = parsed("requirements.lock"), parsed("constraints.txt")
    assert {name: str(one) for name, one in (locked | {"torch": named["torch"]}).items()} == {
        name: str(one) for name, one in named.items()
    }, REMEDY
    assert not [name for name in named if re.match(OF_TORCH, name)]


def test_what_is_installed_is_what_the_list_names():
    locked = parsed("constraints.txt")
    for name, found in needed().items():
        if re.match(OF_TORCH, name):
            continue
        assert found is not None, f"{name} is not installed: run `make figures`"
        assert name in locked, f"{name} is needed, and not in the list: {REMEDY}"
        assert found.version.partition("+")[0] == str(locked[name].specifier).removeprefix("=="), name
        marker = locked[name].marker
        assert marker is None or marker.evaluate(), name


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_every_system_finds_all_that_it_needs(python: str, system: str):
    """A marker in the list leaves out nothing, on no system that the README names."""
    place = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system, "os_name": "posix"}
    place |= {"platform_system": system.title(), "platform_machine": "arm64" if system == "darwin" else "x86_64"}
    locked, here = parsed("constraints.txt"), default_environment() | place
    names = {name for name in needed(**place) if not re.match(OF_TORCH, name)}
    assert len(names) > 100
    assert names <= locked.keys(), REMEDY
    assert not [name for name in names if (marker := locked[name].marker) and not marker.evaluate(here)]


def licence(name: str) -> str:
    """What the package says it is under, in SPDX's words; where its metadata say nothing, its licence file's first line."""
    said = metadata(name)
    if expression := said.get("License-Expression"):
        return str(expression)
    classifiers = [one.split(" :: ")[-1] for one in said.get_all("Classifier", []) if one.startswith("License :: ")]
    text = [one for one in classifiers if one != "OSI Approved"] or [(said.get("License") or "").strip().split("\n")[0]]
    if text == [""]:
        (file,) = [file for file in distribution(name).files or () if file.name == "LICENSE"]
        text = [file.read_text().split("\n")[0]]
    return " AND ".join(SAID.get(one, one) for one in text)


def test_every_licence_is_allowed():
    refused = {}
    for name in needed():
        found = licence(name)
        parts = {part.strip("() ") for part in re.split(r"\b(?:AND|OR)\b", found)}
        if not (parts <= ALLOWED or NAMED.get(name) == found):
            refused[name] = found
    assert refused == {}


def test_the_readmes_command_checks_hashes():
    """And torch alone comes without one, after everything that has one."""
    installs = [line for line in (ROOT / "Makefile").read_text().splitlines() if "$(BIN)/pip install" in line]
    asks = [line.partition("--disable-pip-version-check ")[2] for line in installs]
    assert asks == [
        "--no-deps --require-hashes -r requirements.lock", "-c constraints.txt torch==2.13.0",
        "--no-deps --no-build-isolation -e .",
    ]  # fmt: skip
