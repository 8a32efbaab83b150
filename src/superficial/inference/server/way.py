"""How prompts and answers travel: as token ids where a server takes and tells them, else as text. It is asked once.

Text has two faults: a server's tokenizer may be another than the model's, and the tokens of an answer can only be
guessed from its text.
"""

from enum import StrEnum
from typing import Any

from transformers import PreTrainedTokenizerBase

from superficial.artifacts.errors import UserError
from superficial.config.schema.server import ServerEngine
from superficial.inference.server.faults import Faulty
from superficial.inference.server.ledger import Ledger
from superficial.inference.server.probe import Probe
from superficial.inference.server.reply import usage

# Letters, digits, spaces and signs that tokenizers split in different ways.
SAMPLE = "Hello wörld, 12345 = 3.5e2!\n\n  def f(x):\treturn 'naïve — 你好'  # ```"
TELL = {"return_token_ids": True}  # as vLLM names it


class Way(StrEnum):
    """What goes over the wire; the value stands in the ledger."""

    IDS = "way: ids"  # both prompt and answer
    PROMPT_IDS = "way: prompt ids"  # the answer comes as text
    TEXT = "way: text"


def known_way(ledger: Ledger) -> Way | None:
    """What was learned of this model before."""
    return next((way for way in Way if way in ledger.learned), None)


def find_way(server: ServerEngine, ledger: Ledger, tokenizer: PreTrainedTokenizerBase, who: str) -> Way:
    """Ask the server for one token, after a text and after token ids.

    Raises UserError where it tells the ids of the text and they are not those of `tokenizer`: it serves another model.
    """
    if way := known_way(ledger):
        return way
    probe = Probe(server, ledger, who)
    try:
        way = _find(probe, tokenizer)
    except Faulty:  # nothing is known, and the next run asks again
        return Way.TEXT
    except UserError as error:
        if "status 404" in str(error):  # chat alone, or another name: the first real request says which
            return Way.TEXT
        raise
    finally:
        probe.close()
    ledger.learn(way)
    return way


def _find(probe: Probe, tokenizer: PreTrainedTokenizerBase) -> Way:
    told = _ids(probe.ask(SAMPLE, **TELL), "prompt_token_ids")
    ours = [list(tokenizer(SAMPLE, add_special_tokens=special).input_ids) for special in (True, False)]
    if told is not None and told not in ours:
        raise UserError(
            "the server's tokenizer is not the model's: it splits a text into other tokens", where=probe.where,
            remedy="serve the model that the run names (the folder results/models/NAME), with its own tokenizer",
        )  # fmt: skip
    answered = probe.ask(ours[0], **TELL)
    if answered is None or len(answered["choices"]) != 1:  # some take ids for so many prompts
        return Way.TEXT
    if _ids(answered, "prompt_token_ids") == ours[0] and "token_ids" in answered["choices"][0]:
        return Way.IDS
    counted = usage(answered)
    return Way.PROMPT_IDS if counted and counted[0] == len(ours[0]) else Way.TEXT


def _ids(body: dict[str, Any] | None, name: str) -> list[int] | None:
    found = body and body["choices"][0].get(name)
    return [int(token) for token in found] if isinstance(found, list) else None


def told_ids(body: dict[str, Any]) -> list[int]:
    """Token ids of an answer."""
    return _ids(body, "token_ids") or []
