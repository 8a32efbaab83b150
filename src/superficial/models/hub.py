"""The Hugging Face hub as a source: files of a repository at a commit, from the hub's own cache or the network."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import file_sha256
from superficial.artifacts.job_log import terminal_for_child
from superficial.config.schema import HubSource
from superficial.models import hub_client
from superficial.models.adapter import CONFIG as ADAPTER
from superficial.models.local import UNSAFE, link_or_copy

USERS_OFFLINE = "SUPERFICIAL_HUB_OFFLINE"  # HF_HUB_OFFLINE as the user set it, before stages are told to stay offline
WEIGHTS = "*.safetensors"
NEEDED = (WEIGHTS, "*.json", "*.txt", "*.model", "*.jinja", "LICENSE*", "NOTICE*", "USE_POLICY*")
SECOND_COPIES = ("consolidated*",)  # the same weights once more, in the format of another program
CONVERT = (
    "from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; "
    "M.from_pretrained({0}).save_pretrained({1!r}); T.from_pretrained({0}).save_pretrained({1!r})"
)


@dataclass(frozen=True)
class Snapshot:
    """Files of one commit of a repository."""

    folder: Path  # in the hub's cache; its files are links
    commit: str
    held: Mapping[str, str | None]  # all files of the repository, sha256 of the large ones; empty when offline


def snapshot(
    repository: str,
    revision: str | None,
    *,
    kind: str,
    patterns: Sequence[str],
    ignored: Sequence[str] = (),
    needed: bool = True,
) -> Snapshot:
    """The files that match `patterns` (a `*` matches a `/`, too) and none of `ignored`; `kind` is model or dataset.

    Whole files that are in the cache are not asked for again; HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold.
    `needed`: a repository without a file of the first pattern is an error, else nothing is fetched of it.

    Raises:
        UserError: no network, repository, revision or file, a gated repository, a full disk, a transfer that broke off.
    """
    asked = {"repository": repository, "revision": revision, "kind": kind}
    request = json.dumps(asked | {"patterns": list(patterns), "ignored": list(ignored)})
    offline = os.environ.get(USERS_OFFLINE, "0")
    with terminal_for_child() as screen:
        result = subprocess.run(
            [sys.executable, "-m", hub_client.__name__, request], stdout=subprocess.PIPE, stderr=screen, text=True,
            env=os.environ | {"HF_HUB_OFFLINE": offline, "HF_HUB_DISABLE_TELEMETRY": "1"},
        )  # fmt: skip
    where = f"hub {kind} {repository}"
    answer: dict[str, Any] = json.loads(result.stdout) if result.returncode == 0 else {"error": None}
    if "error" in answer:
        said = answer["error"] or {"what": f"its client ended with {result.returncode}", "remedy": "see its message"}
        raise UserError(said["what"], where=where, remedy=said["remedy"])
    found = Snapshot(Path(answer["folder"] or os.devnull), answer["commit"], answer["held"] or {})
    if needed and not any(found.folder.glob(patterns[0]) if answer["folder"] else ()):
        raise UserError(
            f"{found.commit[:12]} holds no {patterns[0]}",
            where=where,
            remedy="it was renamed or taken away: compare with the file list of the repository",
        )
    return found


def newest_commit(repository: str, revision: str | None, *, kind: str) -> str:
    """The commit that a revision of a repository stands for; where the hub cannot be asked, the one in the cache."""
    return snapshot(repository, revision, kind=kind, patterns=[], needed=False).commit


def fetch_hub(source: HubSource, folder: Path, *, adapter: bool = False) -> HubSource:
    """Fill `folder` with weights and tokenizer; weights are hard links into the cache where the file system can.

    Returns the source with the commit that its revision stands for. `adapter`: what is there is no model of its own.
    """
    inside = f"{source.subfolder}/" if source.subfolder else ""
    patterns = [f"{inside}{pattern}" for pattern in NEEDED]
    ignored = [f"{inside}{pattern}" for pattern in ("*/*", *SECOND_COPIES)]
    found = snapshot(source.repo, source.revision, kind="model", patterns=patterns, ignored=ignored, needed=False)
    origin = found.folder / inside
    where = f"hub model {source.repo} at {found.commit[:12]}"
    if not any(origin.glob(WEIGHTS)):
        raise _no_weights(source, found, inside, where)
    for name in _missing(origin, ADAPTER if adapter else "config.json"):
        if (origin / ADAPTER).is_file():
            raise UserError(
                "it is an adapter, no whole model",
                where=where,
                remedy="pair.aligned.source.kind=lora with pair=custom; in a model file source.kind: lora, with a base",
            )
        raise UserError(
            f"no {name}", where=where, remedy="it was renamed or taken away: give a revision or subfolder that has it"
        )
    for file in sorted(origin.iterdir()):
        expected = found.held.get(f"{inside}{file.name}")
        if expected is not None and file_sha256(file) != expected:
            raise UserError(
                f"{file.name} is damaged: its sha256 is not {expected}",
                where=where,
                remedy=f"delete {file.resolve()} and run the same command again",
            )
        if file.is_file():
            link_or_copy(file, folder / file.name)
    return source.model_copy(update={"revision": found.commit})


def _missing(folder: Path, config: str) -> list[str]:
    """Files without which the model cannot be loaded: its configuration, and what the index of its weights names."""
    index = folder / "model.safetensors.index.json"
    shards = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else set()
    return [name for name in (config, *sorted(shards)) if not (folder / name).is_file()]


def _no_weights(source: HubSource, found: Snapshot, inside: str, where: str) -> UserError:
    held = [name for name in found.held if name.startswith(inside)]
    pickled = [name for name in held if any(Path(name).match(pattern) for pattern in UNSAFE)]
    if not pickled:
        return UserError(f"no {WEIGHTS}", where=where, remedy="give a repository, or a subfolder, that has weights")
    asked = f"{source.repo!r}, revision={found.commit!r}" + (f", subfolder={source.subfolder!r}" if inside else "")
    command = CONVERT.format(asked, source.repo.split("/")[-1])
    return UserError(
        f"no safetensors: only {pickled[0]}, a pickle, which can run code when it is loaded",
        where=where,
        remedy=f'where you trust it, convert it once: python -c "{command}"'
        " and use the folder it makes as source: {kind: local, path: FOLDER}",
    )
