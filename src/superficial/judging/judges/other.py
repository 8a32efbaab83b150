"""No model judges itself unasked."""

from collections.abc import Iterable, Mapping

from superficial.artifacts.errors import UserError
from superficial.config.schema.judge import JudgeConfig


def require_other(judge: JudgeConfig, judged: Mapping[str, Iterable[str]], known_as: Iterable[str] = ()) -> None:
    """Refuse a judge that is one of the judged models; `judged` are all names, titles and sources of each model.

    `known_as` are further names of the judge's own model.

    Letters and digits alone are compared, and what stands before the last slash does not count: "org/My-Model" is
    "my_model".
    """
    name = getattr(judge, "model", None)
    if name is None or judge.allow_self:
        return
    own = {_plain(one) for one in (name, *known_as)}
    for model, names in judged.items():
        if own & {_plain(one) for one in names}:
            raise UserError(
                f"{name} would judge responses of its own ({model})", where=f"config, judge {judge.name}",
                remedy="take another judge, or say judge.allow_self=true",
            )  # fmt: skip


def _plain(name: str) -> str:
    """Letters and digits after the last slash.

    >>> _plain("meta/Llama-2-7b_chat")
    'llama27bchat'
    """
    return "".join(char for char in name.rsplit("/", 1)[-1].lower() if char.isalnum())
