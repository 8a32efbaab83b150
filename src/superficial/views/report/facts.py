"""What a caption states of a result: n, interval, judge, models, settings, code, from its table and its chain."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

WHO = ("pair", "title", "system", "comparison", "judge", "grouping")  # whose rows: the first of these that there is
COUNTED = {"responses": "responses", "examples": "examples", "n": "instructions", "of": "assignments"}
OURS = ("measured", "this run", "published judgments")


def facts(name: str, manifest: Mapping[str, Any], table: pd.DataFrame | None) -> dict[str, list[str]]:
    """Statements by what they are about; a result that was not judged has no judge."""
    entry = manifest["results"][name]
    links = [manifest["artifacts"][link] for link in entry["chain"]]
    configs = [link["config"] for link in links]
    found = {
        "n": [] if table is None else list(_counts(table)),
        "Interval": _interval(configs) if table is None or _has_intervals(table) else [],
        "Judge": _judges(links),
        "Models": [_model(one, manifest["models"][one]) for one in entry["models"]],
        "Settings": list(dict.fromkeys(_settings(links))),
        "Made by": [_commit(git) for git in entry["commits"]],
        "Target": [name],
    }
    return {about: statements for about, statements in found.items() if statements}


def _counts(table: pd.DataFrame) -> Iterator[str]:
    """How many there are behind each pair, system or comparison of this run."""
    if "source" in table:
        table = table[table["source"].isin(OURS)]
    column = next((name for name in COUNTED if name in table), None)
    if column is None or table[column].notna().sum() == 0:
        return
    who = next((name for name in WHO if name in table and table[name].notna().any()), None)
    groups = table.groupby(who, sort=False) if who else [("all", table)]
    for group, rows in groups:
        counts = rows.loc[rows[column].notna(), column]
        if counts.empty:
            continue
        low, high = counts.min(), counts.max()
        text = f"{group}: {high:,.0f}" if low == high else f"{group}: {low:,.0f} to {high:,.0f}"
        unscored = f", {rows['unscored'].sum():,.0f} unscored" if "unscored" in rows else ""
        yield f"{text} {COUNTED[column]}{unscored}"


def _has_intervals(table: pd.DataFrame) -> bool:
    return any(str(column).endswith("low") for column in table.columns)


def _interval(configs: list[Any]) -> list[str]:
    found = [config for config in configs if {"resamples", "confidence", "seed"} <= set(config)]
    return [
        f"{100 * config['confidence']:g} %, bootstrap over examples, {config['resamples']:,} resamples,"
        f" seed {config['seed']}"
        for config in found[-1:]
    ]


def _judges(links: list[Any]) -> list[str]:
    """Everyone who judged, with what has to be known about them."""
    found = []
    for link in links:
        judge = link["config"].get("judge")
        if isinstance(judge, dict) and "title" in judge:  # of what is shown; a judgment itself depends on no title
            found.append(f"{judge['title']}. {judge['caveat']}".strip())
    return list(dict.fromkeys(found))


def _settings(links: list[Any]) -> Iterator[str]:
    for link in links:
        config = link["config"]
        match link["stage"]:
            case "data":
                limit = f", the first {config['limit']}" if config.get("limit") else ""
                yield f"instructions: {config['name']}{limit}"
            case "generate":
                yield f"greedy decoding, at most {config['max_new_tokens']} new tokens"
            case "compare":
                yield "distributions over the whole vocabulary, teacher forcing"


def _model(name: str, model: Mapping[str, Any]) -> str:
    """Title, licence and where it comes from, with the revision."""
    if "served" in model:
        return f"{name}: served, revision {model['served']['revision'] or 'not stated'}"
    weights = f"weights sha256 {model['weights_sha256'][:12]}" if "weights_sha256" in model else ""
    parts = [model["licence"], _origin(model["source"]), weights]
    return f"{model.get('title', name)}: {', '.join(part for part in parts if part)}"


def _origin(source: Mapping[str, Any]) -> str:
    match source["kind"]:
        case "hub":
            return (
                f"{source.get('repo') or source.get('repository')} at {source.get('revision') or 'its newest revision'}"
            )
        case "pypi":
            return f"PyPI {source['packages'][0] if 'packages' in source else source['package']}"
        case "lora":
            return f"LoRA on {source['base']['name']}"
    return str(source["kind"])


def _commit(git: Mapping[str, Any]) -> str:
    if not git:
        return "code outside of a git checkout"
    return f"commit {git['commit'][:12]}{', with changes that are not committed' if git['dirty'] else ''}"
