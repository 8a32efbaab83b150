"""The stage published_prompt: the paper's own prompts, fetched from the pinned commit and checked, never shipped."""

import hashlib
import time
import urllib.error
import urllib.request
from pathlib import Path

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import whole_file, write_sidecar
from superficial.config.schema import PublishedPromptStage, RuntimeConfig
from superficial.config.validation import nearest

COMMIT = "127f94ed4a08955a79368355fcd878a2ee8c0e2e"
SOURCE = f"https://raw.githubusercontent.com/Re-Align/URIAL/{COMMIT}/urial_prompts"
SHA256 = {
    "basic_icl.txt": "2701303d5492f78f6627ccce7b02753382cb2527561f37c13d2f71e19bc840c1",
    "inst_1k.txt": "3a3989a9c5a58293362de475be08218cc552544882b8a8356b558d03c1a91f06",
    "inst_1shot.txt": "d35e4b5218b9fcca4bba177595df08c4f958f05f650b00e4ba13f574c3a3a321",
    "inst_2k.txt": "9cf9d0174c335c3599dec3f47893d60fdd28a18a518bd89fb1345ad5ee2aa0ba",
    "inst_only.txt": "6c1f210a7299f95a6205440e9e03c11e4615c8e84dd0a0b192258999b434ac59",
}
SECONDS = 30  # until a silent server is given up
OFFLINE = "give a folder that holds it, prompt_dir=FOLDER, or use our own prompts, prompt_source=ours"


def run(cfg: PublishedPromptStage, runtime: RuntimeConfig, *, out: Path, folder: Path | list[Path]) -> None:
    """Write the file to `out`, byte for byte; from `folder` where one is given, else from the network."""
    started = time.monotonic()
    expected = sha256_of(cfg.file)
    source = folder / cfg.file if isinstance(folder, Path) else None
    content = _read(source) if source else _download(f"{SOURCE}/{cfg.file}")
    _check(content, expected, str(source or f"{SOURCE}/{cfg.file}"))
    with whole_file(out) as partial:
        partial.write_bytes(content)
    facts = {"source": str(source or f"{SOURCE}/{cfg.file}"), "sha256": expected}
    config = cfg.model_dump(mode="json")
    write_sidecar(out, stage="published_prompt", config=config, inputs={}, started=started, facts=facts)


def published_path(file: str, results: Path) -> Path:
    """Where the stage puts `file`."""
    return results / "prompts" / "published" / file


def published_text(path: Path) -> str:
    """The text of a file that the stage has put there."""
    content = _read(path)
    _check(content, sha256_of(path.name), str(path))
    return content.decode("utf-8")


def sha256_of(file: str) -> str:
    """What a file must hash to; a UserError when the paper has no such file."""
    if file not in SHA256:
        remedy = nearest(file, sorted(SHA256), "files")
        raise UserError(f"no published prompt {file!r}", where="config, key prompt.published", remedy=remedy)
    return SHA256[file]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read it ({error.strerror})", where=str(path), remedy=OFFLINE) from error


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"cannot be fetched ({reason})", where=url, remedy=OFFLINE) from error


def _check(content: bytes, expected: str, where: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        remedy = "take the file of the commit that prompts/published.py pins"
        raise UserError(f"not the paper's file: sha256 {found}, not {expected}", where=where, remedy=remedy)
