"""The pair stage: can these two models be compared token by token?"""

import json
import time
from pathlib import Path

from superficial.artifact import digest, whole_file, write_sidecar
from superficial.errors import UserError
from superficial.models.load import load_tokenizer
from superficial.schema import Nothing, RuntimeConfig


def run(cfg: Nothing, runtime: RuntimeConfig, *, base: Path, aligned: Path, out: Path) -> None:
    """Write a small JSON report, or stop with the first token that means different things to the two models."""
    started = time.monotonic()
    vocabularies = [load_tokenizer(manifest).get_vocab() for manifest in (base, aligned)]
    if vocabularies[0] != vocabularies[1]:
        raise UserError(
            _difference(*vocabularies),
            where=f"pair {base.parent.name} / {aligned.parent.name}",
            remedy="choose two models of one family: response token ids must mean the same to both",
        )
    report = {"tokens": len(vocabularies[0]), "vocabulary_sha256": digest(vocabularies[0])}
    with whole_file(out) as partial:
        partial.write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
    write_sidecar(out, stage="pair", config={}, inputs={"base": base, "aligned": aligned}, started=started, facts={})


def _difference(base: dict[str, int], aligned: dict[str, int]) -> str:
    odd = sorted(base.items() ^ aligned.items(), key=lambda entry: (entry[1], entry[0]))[0][0]
    return (
        f"different vocabularies: {len(base)} and {len(aligned)} tokens, "
        f"{odd!r} has id {base.get(odd)} in one and {aligned.get(odd)} in the other"
    )
