"""A plan as text."""

from collections.abc import Iterator, Mapping, Sequence

from superficial.models.memory import USABLE
from superficial.pipeline.plan.disk import SCORES, others
from superficial.pipeline.plan.machine import Machine
from superficial.pipeline.plan.models import ModelWork
from superficial.pipeline.plan.sizes import Sizes
from superficial.pipeline.plan.work import PlannedWork
from superficial.pipeline.systems import about_published, all_scoring, judged_systems, system_name

HEAD = ("stage", "jobs", "tokens read", "tokens made", "FLOPs", "disk", "requests", "USD", "time")


def table(stages: Mapping[str, PlannedWork]) -> list[str]:
    """A line for each stage and one for all of them."""
    total = sum(stages.values(), PlannedWork())
    rows = [HEAD, *(_row(name, work) for name, work in stages.items()), _row("total", total)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    return ["  ".join(_placed(row, widths)).rstrip() for row in rows]


def _placed(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if at == 0 else cell.rjust(width)


def _row(name: str, work: PlannedWork) -> tuple[str, ...]:
    requests = f"{work.requests:,}" + (f" + {work.repairs:,}" if work.repairs else "") if work.requests else ""
    return (
        name,
        f"{work.jobs:,}",
        f"{round(work.read):,}" if work.read else "",
        f"{round(work.made):,}" if work.made else "",
        scaled(work.flops, "FLOP") if work.flops else "",
        scaled(work.disk, "B") if work.disk else "",
        requests,
        f"{work.usd:,.2f}" if work.usd else "",
        lasting(work.seconds),
    )


def scaled(value: float, unit: str) -> str:
    """A number with a prefix.

    >>> scaled(1234567, "B")
    '1.2 MB'
    """
    for prefix in ("", "k", "M", "G", "T", "P", "E"):
        if value < 999.5:
            return f"{value:.{1 if value < 9.95 and prefix else 0}f} {prefix}{unit}"
        value /= 1000
    return f"{value:,.0f} Z{unit}"


def lasting(seconds: float) -> str:
    """Seconds as people say them.

    >>> [lasting(5), lasting(300), lasting(7300), lasting(4e5)]
    ['5 s', '5 min', '2.0 h', '4.6 d']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} d"


def states(stages: Mapping[str, PlannedWork], at_once: float, *, keep: bool) -> Iterator[str]:
    """What of the disk is hidden states, whether they stay, and what is taken with `at_once` bytes of them."""
    found = sum(stages[name].disk for name in SCORES if name in stages)
    if not found:
        return
    what = "runtime.keep_states=false deletes them after use" if keep else "each file is deleted once it is compared"
    yield f"disk: {scaled(found, 'B')} of it are hidden states; {what}"
    models = stages["model"].disk if "model" in stages else 0.0
    of = f"{scaled(at_once, 'B')} of hidden states and {scaled(models, 'B')} of models in it"
    yield f"disk at most at a time: {scaled(others(stages) + at_once, 'B')}, {of}"


def fits(sizes: Sizes, models: ModelWork, device: Machine) -> Iterator[str]:
    """Which pairs do not fit into the memory of the device, and the most that one takes."""
    run = sizes.run
    if about_published(run) or run.settings.engine.kind != "transformers":
        return
    room = USABLE * device.memory
    needs: dict[str, float] = {}
    for pair in run.pairs.values():
        found = {side.name: models.memory(side.name) for side in (pair.base, pair.aligned)}
        name = max(found, key=lambda one: found[one])
        needs |= found
        if found[name] > room:
            what = f"{name} takes {scaled(found[name], 'B')} of the {scaled(device.memory, 'B')} of {device.name}"
            yield f"does not fit: pair {pair.name}, because {what}: {_remedy(models, name, room)}"
    together = {name: models.together(name) for name in needs}
    fewest = min(together, key=lambda one: together[one])
    answers, tokens, positions = together[fewest]
    yield (
        f"at a time: {answers} answers decoded (generate_batch), {tokens:,} tokens scored (score_tokens),"
        f" {positions:,} positions compared (position_chunk), by {fewest} after its longest prompts"
    )
    yield f"memory: one model at a time, at most {scaled(max(needs.values()), 'B')} of {scaled(device.memory, 'B')}"


def _remedy(models: ModelWork, name: str, room: float) -> str:
    batch = models.largest_batch(name, room)
    if batch:
        return f"take runtime.generate_batch={batch}"
    return f"{-(-models.memory(name) // room):.0f} such devices would hold it, layer by layer"


def assumptions(sizes: Sizes, device: Machine, *, requests: bool) -> Iterator[str]:
    """What the numbers rest on."""
    run, asked = sizes.run, sizes.instructions
    plan, length = run.settings.plan, run.settings.generate.max_new_tokens
    yield f"instructions: {asked.regular} regular, {asked.safety} safety, {asked.characters:.0f} characters each"
    published = about_published(run)
    if published and not all_scoring(run):
        return
    answers = {system_name(*system): sizes.answer(*system) for system in judged_systems(run)}
    known = [f"{name} {one.mean:.0f} (mean of {one.finished})" for name, one in answers.items() if one.finished]
    bound = [name for name, one in answers.items() if not one.finished]
    if known:
        yield f"tokens of an answer, from {'published files' if published else 'finished runs'}: {', '.join(known)}"
    if bound:
        yield f"tokens of an answer, upper bound generate.max_new_tokens={length}: {', '.join(bound)}"
    yield "tokens of prompts that no finished run tells: a fourth of their characters; a server's retries: none"
    if requests:
        yield "requests: one a prompt, and at most one repair of each; USD with all repairs, answers of full length"
    yield (
        f"time: {device.name}, {scaled(device.flops, 'FLOP/s')}, {scaled(device.bandwidth, 'B/s')}; reading reaches"
        f" {plan.reading:g} of that roofline, decoding {plan.decoding:g} (plan.reading, plan.decoding); one job"
        " after the other, downloads not timed"
    )
