"""The byte_pair stage: can the texts of these two models be compared by spans of bytes?"""

import json
import time
from pathlib import Path
from typing import Literal

from superficial.artifacts.files import whole_file, write_sidecar
from superficial.config.schema import Nothing, RuntimeConfig, Strict
from superficial.probes.spans.spelling import Spelling
from superficial.shift.pair.report import NamedToken
from superficial.shift.pair.vocabulary import Vocabulary


class MatchedEnd(Strict):
    """A token that ends the aligned model's response, and the one that the base has for it."""

    aligned: NamedToken
    base: NamedToken
    by: Literal["text", "role"]  # role: the base has no such token, and its own end of turn stands for it


class SpellingReport(Strict):
    """One model's tokenizer."""

    model: str
    spelling: Literal["byte level", "pieces"]
    tokens: int  # that are text
    special: int  # that are none


class ByteReport(Strict):
    """A pair that is compared by spans of bytes."""

    shared: int  # tokens that both have: of the same bytes, or special ones of the same name
    ends: list[MatchedEnd]  # an end that is not among them is left out
    base: SpellingReport
    aligned: SpellingReport


def run(cfg: Nothing, runtime: RuntimeConfig, *, base: Path, aligned: Path, out: Path) -> None:
    """Write the report, or stop and say which tokenizer does not keep to bytes."""
    started = time.monotonic()
    report = match_bytes(Spelling(Vocabulary.read(base)), Spelling(Vocabulary.read(aligned)))
    with whole_file(out) as partial:
        text = json.dumps(report.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
        partial.write_text(text + "\n", encoding="utf-8")
    inputs = {"base": base, "aligned": aligned}
    write_sidecar(out, stage="byte_pair", config={}, inputs=inputs, started=started, facts={})


def match_bytes(base: Spelling, aligned: Spelling) -> ByteReport:
    """The report of a pair; any two tokenizers that keep to bytes will do."""
    ends, own = [], base.vocabulary
    for token in sorted(set(aligned.vocabulary.ends) & aligned.special.keys()):
        same = own.token(own.ids.get(aligned.special[token]))
        other = same or own.token(own.end_of_turn)
        if other:
            end = NamedToken(id=token, text=aligned.special[token])
            ends.append(MatchedEnd(aligned=end, base=other, by="text" if same else "role"))
    return ByteReport(
        shared=len(base.keys.keys() & aligned.keys.keys()), ends=ends, base=_side(base), aligned=_side(aligned)
    )


def _side(side: Spelling) -> SpellingReport:
    return SpellingReport(
        model=side.vocabulary.model,
        spelling="byte level" if side.byte_level else "pieces",
        tokens=len(side.texts),
        special=len(side.special),
    )
