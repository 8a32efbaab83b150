"""The clock of chat templates: some tell the model today's date, and would give other prompts every day."""

from datetime import date, datetime, time
from pathlib import Path
from string import ascii_letters
from typing import Any

from transformers import PreTrainedTokenizerBase

DAY = date(2024, 7, 26)  # what Llama 3's template says where it has no clock
NAME = "strftime_now"  # what templates ask for the date by


def date_arguments(tokenizer: PreTrainedTokenizerBase, day: date | None) -> dict[str, Any]:
    """Arguments of `apply_chat_template` that let the template see noon of `day` (none: DAY).

    No arguments for a template that does not ask. The others get a macro in front that stands for the clock, because
    nothing callable can be handed to a template.
    """
    template = tokenizer.get_chat_template()
    return {"chat_template": date_macro(day or DAY) + template} if NAME in template else {}


def date_macro(day: date) -> str:
    """Jinja text that defines the clock; nothing of it is seen in what the template writes.

    >>> import jinja2
    >>> jinja2.Template(date_macro(date(2024, 7, 6)) + '{{ strftime_now("%d %b %Y, %-d.%-m., %%d %A") }}').render()
    '06 Jul 2024, 6.7., %d Saturday'
    """
    noon = datetime.combine(day, time(12))
    values = {f"%{letter}": noon.strftime(f"%{letter}") for letter in ascii_letters}
    values = {code: value for code, value in values.items() if value not in (code, code[1:])}  # not known here
    bare = {f"%-{code[1:]}": str(int(value)) for code, value in values.items() if value.isdigit()}
    steps = [("%%", "\ue000"), *values.items(), *bare.items(), ("\ue000", "%")]
    chain = "".join(f"|replace({old!r},{new!r})" for old, new in steps)
    # The empty text at the end keeps a line break that the template may begin with.
    return "{%- macro " + NAME + "(format) -%}{{ format" + chain + " }}{%- endmacro %}{{ '' }}"


def asks_for_date(model: Path) -> bool:
    """Whether the chat template in the folder of a model asks for the date."""
    files = (model / "chat_template.jinja", model / "tokenizer_config.json")
    return any(NAME in file.read_text(encoding="utf-8") for file in files if file.is_file())
