"""The local judge as one that can be asked: readings kept by content, so that nothing is read twice."""

import json
from collections.abc import Callable, Sequence
from math import nan
from pathlib import Path
from typing import Any

from superficial.artifacts.files import digest, file_sha256
from superficial.artifacts.progress import progress
from superficial.artifacts.store import Store
from superficial.config.schema import RuntimeConfig
from superficial.config.schema.judge import AskedLocal
from superficial.judging.judges.choices import Choice
from superficial.judging.judges.item import Item, Judged, rubrics
from superficial.judging.judges.parse import Verdict
from superficial.judging.judges.probability_reader import ProbabilityReader, read_questions
from superficial.judging.judges.rubric import Rubric
from superficial.models.load import load_model, number_format, pick_device, pick_dtype
from superficial.models.manifest import model_key, read_manifest
from superficial.models.template_date import asks_for_date

TOGETHER = 16  # readings that are put on disk at a time


class ProbabilityJudge:
    """Reads probabilities with a model of this project. The model is loaded when something has to be read."""

    def __init__(self, cfg: AskedLocal, manifest: Path, runtime: RuntimeConfig, results: Path) -> None:
        self._cfg, self._manifest, self._runtime = cfg, manifest, runtime
        known = read_manifest(manifest)
        dtype = pick_dtype(known["dtype"], pick_device(runtime.device))
        day = [str(cfg.date)] if asks_for_date(manifest.parent) else []
        self._key = digest(
            [model_key(known), number_format(dtype), file_sha256(Path(cfg.questions)), cfg.max_tokens, *day]
        )
        self._store = Store(results / ".judgments" / f"{self._key[:32]}.jsonl")

    def scores(self, items: Sequence[Item]) -> dict[tuple[str, str], Judged[Verdict]]:
        """The mean of 1 to 5 under their probabilities, which stand in the raw text.

        Not the most probable of them: that is one and the same for nearly all that a small judge reads.
        """
        return {key: _scored(found) for key, found in self._readings(items).items()}

    def choices(self, items: Sequence[Item]) -> dict[tuple[str, str], Judged[Choice]]:
        """The more probable of A and B."""
        return {key: _chosen(found) for key, found in self._readings(items).items()}

    def _readings(self, items: Sequence[Item]) -> dict[tuple[str, str], dict[str, Any]]:
        texts = rubrics(self._cfg.prompt_files, items)
        keys = {item.name: self._item_key(item, texts[item.category, item.paired]) for item in items}
        todo = {keys[item.name]: item for item in items if keys[item.name] not in self._store}
        if todo:
            with progress(f"judging ({self._cfg.name})", len(items), "items") as bar:
                bar.update(len(items) - len(todo))
                self._read(todo, texts, bar.update)
        return {
            (item.name, aspect): found
            for item in items
            for aspect, found in zip(item.aspects, self._store[keys[item.name]], strict=True)
        }

    def _read(
        self, todo: dict[str, Item], texts: dict[tuple[str, bool], Rubric], done: Callable[[int], object]
    ) -> None:
        loaded = load_model(self._manifest, self._runtime.device)
        judges = {kind: ProbabilityReader(loaded, rubric, self._cfg.date) for kind, rubric in texts.items()}
        path = Path(self._cfg.questions)
        asked = {
            item.aspects: read_questions(path, loaded, "choices" if item.paired else "scores", item.aspects)
            for item in {(item.category, item.paired): item for item in todo.values()}.values()
        }
        keys = list(todo)
        for start in range(0, len(keys), TOGETHER):
            made: dict[str, list[dict[str, Any]]] = {}
            for key in keys[start : start + TOGETHER]:
                item = todo[key]
                questions = asked[item.aspects]
                judge = judges[item.category, item.paired]
                made[key] = [
                    {"shares": one.shares, "mass": one.mass, "best": one.best, "reason": ""}
                    for one in judge.readings(item.name, item.slots, questions)
                ]
                if self._cfg.max_tokens:
                    for found, question in zip(made[key], questions, strict=True):
                        chosen = found["best"]
                        found["reason"] = judge.reason(item.slots, question, chosen, self._cfg.max_tokens)
                done(1)
            self._store.put(made)

    def _item_key(self, item: Item, rubric: Rubric) -> str:
        return digest([self._key, rubric.text, rubric.guarded, item.aspects, dict(item.slots), item.repeat])


def _scored(found: dict[str, Any]) -> Judged[Verdict]:
    expected = sum(share * score for score, share in enumerate(found["shares"], start=1))
    if expected != expected:
        return Judged(Verdict(nan, "", "the probabilities are not numbers"), "")
    read = f"read from the probabilities of 1 to 5 (expected {expected:.2f}, most probable {found['best'] + 1})"
    raw = {f"p{score}": share for score, share in enumerate(found["shares"], start=1)}
    raw |= {"mass": found["mass"]}
    return Judged(Verdict(round(expected, 4), _reason(found, read)), json.dumps(raw))


def _chosen(found: dict[str, Any]) -> Judged[Choice]:
    first, second = found["shares"]
    if first != first:
        return Judged(Choice("", "", "the probabilities are not numbers"), "")
    raw = json.dumps({"p_first": first, "p_second": second, "mass": found["mass"]})
    if first == second:
        return Judged(Choice("tie", "read from the probabilities of A and B, which are equal", p_first=first), raw)
    read = f"read from the probabilities of A and B ({first:.2f} and {second:.2f})"
    return Judged(Choice("first" if first > second else "second", _reason(found, read), p_first=first), raw)


def _reason(found: dict[str, Any], read: str) -> str:
    return f"{found['reason']} [{read}]" if found["reason"] else read
