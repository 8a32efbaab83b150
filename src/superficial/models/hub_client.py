"""The hub's own client, in a process of its own: `python -m superficial.models.hub_client REQUEST`, JSON in and out.

Stages are told to stay off the hub (HF_HUB_OFFLINE), and the client reads that when it is imported. Only here is
that lifted, so that no other part of a stage asks the hub by accident.
"""

import errno
import json
import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Any

CONTINUE = "run the same command again: files that are whole stay in the cache"


def fetch(
    repository: str, revision: str | None, kind: str, patterns: Sequence[str], ignored: Sequence[str]
) -> dict[str, Any]:
    """Files that match `patterns` into the hub's cache; `folder` is null where the first pattern matches none.

    No patterns: nothing is fetched, the commit alone is asked for.

    `held` are the repository's files with the sha256 that the hub knows of the large ones; null when the hub cannot be
    asked and the cache answers.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    token = os.environ.get("HF_TOKEN") or False  # False: no token that is stored on this disk
    held = None
    try:
        api = HfApi(token=token)
        look = api.dataset_info if kind == "dataset" else api.model_info
        info = look(repository, revision=revision, files_metadata=True)
    except HfHubHTTPError as error:
        if error.response.status_code < 500:
            raise
    except Exception:  # no network, of which there are many kinds: the cache may have it, and says why not
        pass
    else:
        held = {file.rfilename: file.lfs and file.lfs.sha256 for file in info.siblings or []}
        if not any(fnmatch(name, pattern) for name in held for pattern in patterns[:1]):
            return {"folder": None, "commit": info.sha, "held": held}
    folder = snapshot_download(
        repository, repo_type=kind, revision=revision, token=token,
        allow_patterns=list(patterns), ignore_patterns=list(ignored),
    )  # fmt: skip
    return {"folder": folder, "commit": os.path.basename(folder), "held": held}


def explain(error: Exception, repository: str, revision: str | None) -> dict[str, str]:
    """What went wrong and what to do about it, each in a line."""
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{repository}"
    token = "the account of HF_TOKEN has no access" if os.environ.get("HF_TOKEN") else "HF_TOKEN is not set"
    offline = constants.HF_HUB_OFFLINE
    match error:
        case errors.GatedRepoError():
            what = f"the repository is gated, and {token}"
            remedy = f"accept its terms on {page}, then set HF_TOKEN to a token of that account"
        case errors.RepositoryNotFoundError():
            what = f"no such repository, or a private one, and {token}"
            remedy = f"compare the name with {page}; for a private one set HF_TOKEN"
        case errors.RevisionNotFoundError():
            what = f"no revision {revision}"
            remedy = f"take a commit from {page}/commits/main"
        case errors.RemoteEntryNotFoundError():
            what = f"a file is listed and cannot be had: {error.response.url.path}"
            remedy = f"it was renamed or taken away: compare with {page}/tree/main and give a revision that has it"
        case errors.LocalEntryNotFoundError() if offline:
            what = "it is not in the cache, or only in part, and HF_HUB_OFFLINE is set"
            remedy = "run once without HF_HUB_OFFLINE"
        case errors.LocalEntryNotFoundError():
            what = f"the hub cannot be reached at {constants.ENDPOINT} ({_root(error)})"
            remedy = f"check the network, a proxy and HF_ENDPOINT, then {CONTINUE}"
        case errors.HfHubHTTPError():
            status = error.response.status_code
            what = f"the hub answers {status}" + (f", and {token}" if status in (401, 403) else "")
            remedy = "set HF_TOKEN to a valid token" if status in (401, 403) else f"wait a little, then {CONTINUE}"
        case _ if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            what = f"the disk is full: {constants.HF_HUB_CACHE}"
            remedy = f"free space there or set HF_HOME to another disk, then {CONTINUE}"
        case _:
            what, remedy = f"the download broke off ({_root(error)})", CONTINUE
    return {"what": what, "remedy": remedy}


def _root(error: BaseException) -> str:
    """What lies at the bottom of it, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).split("\n")[0] or type(error).__name__)[:200]


def main(request: str) -> None:
    """Answer on stdout; the client shows its progress on stderr."""
    asked = json.loads(request)
    try:
        answer = fetch(**asked)
    except Exception as error:  # the client lets exceptions of many libraries through
        answer = {"error": explain(error, asked["repository"], asked["revision"])}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1])
