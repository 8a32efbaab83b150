"""The commands for people: what each says, how it is called, and an example."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from superficial.config.schema import Settings

PROGRAM = "superficial"
OVERRIDE = re.compile(r"[~+]*(?P<head>\w+)[\w.@/]*=")
WORDS = "KEY=VALUE ..."
AS_USUAL = f"{WORDS} is any override of the configuration, as in: pair=gemma3_270m dataset.limit=10"

OR_SNAKEMAKE = AS_USUAL + "\nTargets and options of snakemake do, too; overrides are --config 'hydra=[...]' then."


@dataclass(frozen=True)
class Command:
    """`main(words)` of `module` does it; who asks for help reads the rest."""

    module: str
    says: str  # one line in the list of commands
    words: str = ""  # that it takes
    more: str = ""
    example: str = ""
    planned: bool = False  # its words are those of snakemake, or overrides alone

    def help(self, name: str) -> str:
        """What `superficial NAME --help` prints; its end is an example."""
        usage = " ".join([f"usage: {PROGRAM} {name}", *filter(None, [self.words])])
        return "\n\n".join(filter(None, [usage, self.says, self.more, f"example:\n  {self.example}"])) + "\n"


COMMANDS: Mapping[str, Command] = {
    "ask": Command(
        "superficial.pipeline.ask.command",
        "Answer a question, and show at each token whether the base would have said it, too.",
        f"QUESTION ... [{WORDS}] [--compare METHOD] [--open]",
        "Each question is a word in quotes. --compare METHOD sets the base's own answer beside it, by a method of\n"
        "config/method/; --open opens the page on which every token can be looked into.\n" + AS_USUAL,
        'superficial ask "How do bees find their way back?" --compare urial_k3',
    ),
    "prompt": Command(
        "superficial.pipeline.prompt",
        "Print exactly what a model would see; none is loaded.",
        f"method=NAME instructions=FILE [out=FILE] [{WORDS}]",
        AS_USUAL,
        "superficial prompt pair=gemma3_270m method=urial_k3 instructions=my.jsonl",
    ),
    "plan": Command(
        "superficial.pipeline.plan.command",
        "Say what a run would take: jobs, tokens, disk, requests, money and time.",
        f"[{WORDS}]",
        OR_SNAKEMAKE,
        "superficial plan experiment=paper plan.gpu=a100_80gb",
        planned=True,
    ),
    "why": Command(
        "superficial.pipeline.why",
        "Say what makes each job of a run run: a value, a file, or a lost result.",
        f"[{WORDS}]",
        OR_SNAKEMAKE,
        "superficial why generate.max_new_tokens=512",
        planned=True,
    ),
    "lock": Command(
        "superficial.pipeline.lock_command",
        "Pin the commits of what a run takes from the Hugging Face hub.",
        f"[{WORDS}]",
        AS_USUAL,
        "superficial lock pair=llama2_7b_chat",
        planned=True,
    ),
    "verify": Command(
        "superficial.pipeline.provenance.command",
        "Say which results were altered, are missing, or are stale.",
        "[FOLDER]",
        "FOLDER holds manifest.json; by default it is results.",
        "superficial verify results",
    ),
    "report": Command(
        "superficial.pipeline.report_command",
        "Put all results on one page with captions and settings: results/report.html.",
        f"[{WORDS}]",
        AS_USUAL,
        "superficial report pair=gemma3_270m",
        planned=True,
    ),
}
# What writes parts of the documentation; for who works on this program.
OWN: Mapping[str, Command] = {
    "targets": Command("superficial.pipeline.target_table", "Write the table of targets into a page."),
    "dictionary": Command("superficial.results.dictionary", "Write the page of all tables and columns."),
}


def overview() -> str:
    """What `superficial` alone prints: a line for each command."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {one.says}" for name, one in COMMANDS.items()]
    usage = f"usage: {PROGRAM} COMMAND ...      {PROGRAM} COMMAND --help says more, with an example"
    return "\n".join([usage, "", *lines, ""])


def is_override(word: str) -> bool:
    """Whether a word sets a key of the configuration. A question may hold "=", too.

    >>> [is_override(word) for word in ("dataset.limit=3", "pairr=x", "x = 1, what is 2x?", "a=b because?")]
    [True, True, False, False]
    >>> is_override('pair.base.title="my base"')
    True
    """
    found = OVERRIDE.match(word)
    return found is not None and (" " not in word or found["head"] in {*Settings.model_fields, "experiment", "method"})


def as_snakemake(words: Sequence[str]) -> list[str]:
    """The words of a command as snakemake takes them: overrides become one `--config`, unless options are there.

    >>> as_snakemake(["figures/shift_ratio", "pair=a", "dataset.limit=3"])
    ['figures/shift_ratio', '--config', 'hydra=[pair=a,dataset.limit=3]']
    >>> as_snakemake(["--config", "hydra=[pair=a]"])
    ['--config', 'hydra=[pair=a]']
    """
    if any(word.startswith("-") for word in words):
        return list(words)
    overrides = [word for word in words if is_override(word)]
    others = [word for word in words if not is_override(word)]
    return [*others, "--config", f"hydra=[{','.join(overrides)}]"] if overrides else others
