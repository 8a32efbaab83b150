"""How two tokenizers split text: if they differ, one model reads pieces that it never saw in training."""

from typing import Any

from superficial.shift.pair.vocabulary import Vocabulary

Step = dict[str, Any]


def splitting_difference(base: Vocabulary, aligned: Vocabulary) -> str | None:
    """What differs first in how text becomes tokens, or None. Ordinary tokens are taken to have equal ids.

    How the first word of a text is treated is left out: it concerns contexts, which every model's own tokenizer writes.
    """
    models = [side.description["model"] for side in (base, aligned)]
    settings = [{key: value for key, value in model.items() if key not in ("vocab", "merges")} for model in models]
    for key in sorted(settings[0].keys() | settings[1].keys()):
        first, second = (one.get(key) for one in settings)
        if first != second:
            return f"{key} of the tokenizer's model is {first!r} in one and {second!r} in the other"
    for what, (one, other) in {
        "merges": [model.get("merges") or [] for model in models],
        "scored pieces": [_pieces(side) for side in (base, aligned)],
        "steps of the normalizer": [_steps(side.description)[0] for side in (base, aligned)],
        "steps of the pre-tokenizer": [_steps(side.description)[1] for side in (base, aligned)],
    }.items():
        if one != other:
            return _first(one, other, what)
    return None


def text_start_differs(base: Vocabulary, aligned: Vocabulary) -> bool:
    """Whether only the beginning of a text is treated differently."""
    parts = ("normalizer", "pre_tokenizer")
    return [base.description[part] for part in parts] != [aligned.description[part] for part in parts]


def _first(one: list[Any], other: list[Any], what: str) -> str:
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    shown = [repr(side[at]) if at < len(side) else "nothing" for side in (one, other)]
    return f"the {what} ({len(one)} and {len(other)}) differ at number {at + 1}: {shown[0]} and {shown[1]}"


def _pieces(side: Vocabulary) -> list[Any]:
    """Ordinary pieces with their scores, where a tokenizer has scores (unigram); elsewhere the ids say it all."""
    vocabulary = side.description["model"]["vocab"]
    return [] if isinstance(vocabulary, dict) else [piece for piece in vocabulary if piece[0] not in side.added]


def _steps(description: dict[str, Any]) -> tuple[list[Step], list[Step]]:
    """Steps of normalizer and pre-tokenizer, without what they do at the beginning of a text.

    A Metaspace that splits nothing replaces spaces: it is written as the normalizer that older tokenizers had for it.
    """
    before = [step for step in _flat(description["normalizer"], "normalizers") if step["type"] != "Prepend"]
    after: list[Step] = []
    for step in _flat(description["pre_tokenizer"], "pretokenizers"):
        if step["type"] == "Metaspace" and not step.get("split", True):
            before.append({"type": "Replace", "pattern": {"String": " "}, "content": step["replacement"]})
        else:
            after.append(
                {key: value for key, value in step.items() if key not in ("prepend_scheme", "add_prefix_space")}
            )
    return before, after


def _flat(step: Step | None, inner: str) -> list[Step]:
    if step is None:
        return []
    return [one for part in step[inner] for one in _flat(part, inner)] if step["type"] == "Sequence" else [step]
