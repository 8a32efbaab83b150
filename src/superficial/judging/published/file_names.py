"""File names of the published repository: which system a file is about, and which judge."""

import re
from collections.abc import Sequence
from pathlib import Path

_MODES = "general|safety|score_multi|score_safety"
_MODE = re.compile(rf"(.+?)\.(?:{_MODES})(?=\.|$)")
_NO_JUDGE = re.compile(rf"\.(?:{_MODES}|to_eval|\d+-\d+)(?=\.|$)")
# Summaries, comparisons and tags: their rows are no scores.
_OTHERS = re.compile(r"\.(?:eval_res|pairwise|pairwise_multi|tag|reward)(?=\.)|^(?:pairwise|pairwise_multi|tags)\b")


def system_of_output(path: Path) -> str:
    """`{system}.to_eval.json` or `{system}.json`.

    >>> system_of_output(Path("outputs/vicuna-7b-v1.5.to_eval.json"))
    'vicuna-7b-v1.5'
    """
    return path.name.removesuffix(".json").removesuffix(".to_eval")


def output_files(folder: Path) -> dict[str, list[Path]]:
    """Every file of outputs/ in `folder`, by system."""
    found: dict[str, list[Path]] = {}
    for path in sorted((folder / "outputs").glob("*.json")):
        found.setdefault(system_of_output(path), []).append(path)
    return found


def holds_scores(path: Path) -> bool:
    """False for the other things that lie among judgments.

    >>> holds_scores(Path("x.score_safety.chatgpt.eval_res.json")), holds_scores(Path("x.score_multi.gpt-4.json"))
    (False, True)
    """
    return not _OTHERS.search(path.name)


def published_files(folder: Path) -> list[Path]:
    """What is read of `folder`: outputs/*.json and judgments/**/*.json."""
    scored = [path for path in (folder / "judgments").rglob("*.json") if holds_scores(path)]
    return [*sorted((folder / "outputs").glob("*.json")), *sorted(scored)]


def judged_by(path: Path, systems: Sequence[str]) -> tuple[str, str]:
    """System and judge of a file, `path` relative to the folder of judgments; judge "" where no name says it.

    The file's own name goes before its folders'. `systems` are known names, for files whose name has no mode in it.

    >>> def of(name, *systems): return judged_by(Path(name), systems)
    >>> of("vicuna-7b-v1.5.score_safety.chatgpt.json")
    ('vicuna-7b-v1.5', 'chatgpt')
    >>> of("URIAL=inst_1k-Llama-2-70b-hf.score_multi.gpt-4-1106-preview.json")
    ('URIAL=inst_1k-Llama-2-70b-hf', 'gpt-4-1106-preview')
    >>> of("gpt-3.5-turbo-0301.gpt-4-turbo/gpt-3.5-turbo-0301.general.0-100.json")
    ('gpt-3.5-turbo-0301', 'gpt-4-turbo')
    >>> of("gpt-4-turbo/gpt-3.5-turbo-0301/gpt-3.5-turbo-0301.safety.800-900.json")
    ('gpt-3.5-turbo-0301', 'gpt-4-turbo')
    >>> of("gpt-4/gpt-4-0314.score_safety.chatgpt.json"), of("gpt-4-turbo/gpt-4-0314.score_safety.json")
    (('gpt-4-0314', 'chatgpt'), ('gpt-4-0314', 'gpt-4-turbo'))
    >>> of("my.model.score_multi.gpt-3.5-turbo.0-100.json"), of("my.model.general.json")
    (('my.model', 'gpt-3.5-turbo'), ('my.model', ''))
    >>> of("gpt-4/v1.5.json"), of("v1.5.gpt-4.json", "v1", "v1.5")
    (('v1.5', 'gpt-4'), ('v1.5', 'gpt-4'))
    """
    name = path.name.removesuffix(".json")
    found = _MODE.match(name)
    if found:
        system = found[1]
    else:
        near = [one for one in systems if name == one or name.startswith(f"{one}.")]
        system = max(near, key=len, default=name)
    judge = _NO_JUDGE.sub("", name[len(system) :]).strip(".")
    for folder in reversed(path.parts[:-1]):
        judge = judge or ("" if folder == system else folder.removeprefix(f"{system}."))
    return system, judge
