"""Which files a prompt is made of."""

from pathlib import Path

from superficial.artifacts.errors import UserError
from superficial.config.schema import PromptConfig
from superficial.config.schema.method import separates
from superficial.prompts.layout import SYSTEM_SLOT
from superficial.prompts.pool import chosen_examples, read_text
from superficial.prompts.published import published_path, sha256_of

PARTS = ("system", "examples", "neighbours", "published")  # those that lie in files of their own


def prompt_files(prompt: PromptConfig, dataset: str, method: str, results: Path = Path("results")) -> list[str]:
    """Every file that `prompt` reads, in the order of its parts: inputs of the rules whose stage builds it."""
    files = {
        "system": prompt.system,
        "examples": prompt.examples and prompt.examples.file,
        "neighbours": str(results / "retrieval" / dataset / f"{method}.parquet"),
        "published": prompt.published and str(published_path(prompt.published, results)),
    }
    return [str(files[part]) for part in parts_of(prompt)]


def parts_of(prompt: PromptConfig) -> list[str]:
    """The parts of `prompt` that lie in files of their own."""
    return [part for part in PARTS if getattr(prompt, part) is not None]


def check_prompt(prompt: PromptConfig) -> None:
    """Stop before any work when a file of the user's own is missing, or does not hold what `prompt` names."""
    if prompt.system is not None:
        read_text(Path(prompt.system), "prompt.system")
    elif prompt.template is not None and SYSTEM_SLOT in prompt.template:
        raise UserError(
            "the template has a place for a system text, and there is none",
            where="config, key prompt.system",
            remedy="give a text file: method.NAME.prompt.system=FILE",
        )
    if prompt.examples is not None:
        chosen_examples(prompt.examples, Path(prompt.examples.file))
    if prompt.published is not None:
        sha256_of(prompt.published)


def check_turns(prompt: PromptConfig) -> None:
    """Refuse a layout that has no place for the earlier turns of a conversation."""
    if prompt.template is None:
        return
    if SYSTEM_SLOT in prompt.template:
        raise UserError(
            "a template with {system} is one turn, and the dataset holds conversations",
            where="config, key prompt.template",
            remedy="take their `turns` out of the dataset, or use a chat method",
        )
    if not separates(prompt):
        raise UserError(
            "nothing would stand between an earlier answer and the next query, and the dataset holds conversations",
            where="config, key prompt.closing",
            remedy="say what ends an answer: method.NAME.prompt.closing=TEXT",
        )
