"""The command `prompt`: what exactly would the model see? No model is loaded.

python -m superficial prompt pair=NAME method=NAME instructions=FILE [out=PATH] [any override of the configuration]
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from transformers import AutoConfig, PreTrainedTokenizerBase

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import sidecar_of, whole_file
from superficial.artifacts.table import read_table
from superficial.config.schema import MethodConfig, PublishedPromptStage
from superficial.data.instruction import Instruction
from superficial.data.readers import read_instructions
from superficial.models.load import load_tokenizer, longest_sequence
from superficial.pipeline.run import Run
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.files import check_prompt
from superficial.prompts.published import published_path
from superficial.prompts.published import run as fetch
from superficial.prompts.requirements import require_room

USAGE = "python -m superficial prompt pair=NAME method=NAME instructions=FILE [out=PATH] [OVERRIDE ...]"
RESULTS = Path("results")


def main(words: Sequence[str]) -> None:
    """Write a line of JSON for each instruction: id, text, and token_ids where the tokenizer is at hand.

    A chat method, and the one of `method@response=`, is shown for the aligned model of the pair, another for the base.
    Of a conversation it is the first turn: the later ones depend on the answers. The configuration is the one in the
    current folder.
    """
    own, overrides = split_words(words)
    run = Run(Path("config"), overrides)
    method = run.method(own["method"])
    check_prompt(method.prompt)
    if len(run.pairs) > 1:
        raise UserError(
            f"{len(run.pairs)} pairs, and one is shown", where="prompt", remedy=f"pair={next(iter(run.pairs))}"
        )
    (pair,) = run.pairs.values()
    of_aligned = method.prompt.kind == "chat" or method.name == run.settings.response.name
    model = (pair.aligned if of_aligned else pair.base).name
    instructions = read_instructions(_existing(own["instructions"]))
    lines = [json.dumps(row, ensure_ascii=False) for row in prompts(run, method, model, instructions)]
    text = "".join(line + "\n" for line in lines)
    if "out" in own:
        with whole_file(Path(own["out"])) as partial:
            partial.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


def split_words(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The command's own words by name, and the overrides of the configuration.

    >>> split_words(["pair=a", "method=urial_k3", "instructions=x.csv"])
    ({'method': 'urial_k3', 'instructions': 'x.csv'}, ['pair=a'])
    """
    own: dict[str, str] = {}
    overrides: list[str] = []
    for word in words:
        name, separator, value = word.partition("=")
        if name in ("method", "instructions", "out") and separator:
            own[name] = value
        else:
            overrides.append(word)
    for name in ("method", "instructions"):
        if not own.get(name):
            raise UserError(f"{name}= is missing", where="prompt", remedy=USAGE)
    return own, overrides


def prompts(
    run: Run, method: MethodConfig, model: str, instructions: Sequence[Instruction]
) -> Iterator[dict[str, Any]]:
    """One row for each instruction: id, text, and token_ids where the tokenizer is at hand."""
    tokenizer, positions = _tokenizer(model)
    if method.prompt.published:
        _fetch_published(run, method.prompt.published)
    builder = PromptBuilder(
        method.prompt, tokenizer, [Path(file) for file in run.prompt_files(method.name)], model=model
    )
    known = _looked_up(run, method.name) if method.prompt.neighbours else {}
    for one in instructions:
        if method.prompt.neighbours and one.instruction not in known:
            raise UserError(
                f"its neighbours are not known: dataset {run.settings.dataset.name} does not hold it",
                where=f"instruction {one.id}",
                remedy="ask for instructions of the dataset, or make the file a dataset and run the workflow",
            )
        # Ids of the dataset, for which neighbours were looked up, need not be those of this file.
        prompt = builder.build(one.instruction, example=known.get(one.instruction, one.id))
        row: dict[str, Any] = {"id": one.id, "text": prompt.text}
        if tokenizer is not None:
            require_room(model, positions, len(prompt.ids), example=one.id, what="prompt")
            row["token_ids"] = prompt.ids
        yield row


def _tokenizer(model: str) -> tuple[PreTrainedTokenizerBase | None, int]:
    """The tokenizer of a model that the workflow has fetched, and the model's positions."""
    manifest = RESULTS / "models" / model / "manifest.json"
    if not manifest.is_file():
        return None, 0
    config = AutoConfig.from_pretrained(
        manifest.parent, local_files_only=True, trust_remote_code=False
    ).get_text_config()
    return load_tokenizer(manifest), longest_sequence(config)


def _fetch_published(run: Run, file: str) -> None:
    path = published_path(file, RESULTS)
    if not path.is_file():
        folder = [Path(run.settings.prompt_dir)] if run.settings.prompt_dir else []
        fetch(PublishedPromptStage(file=file), run.settings.runtime, folder=folder[0] if folder else [], out=path)


def _looked_up(run: Run, method: str) -> dict[str, str]:
    """Ids by instruction of the dataset; a UserError when its neighbours are not those that the method asks for now."""
    made = RESULTS / "retrieval" / run.settings.dataset.name / f"{method}.parquet"
    name = run.index(run.neighbours(method).index).name
    index = RESULTS / "retrieval" / "index" / f"{name}.faiss"
    found, searched = (json.loads(sidecar_of(path).read_text(encoding="utf-8")) for path in (made, index))
    asked = [json.loads(run.slice(stage, about)) for stage, about in (("retrieve", method), ("index", name))]
    if [found["config"], searched["config"]] != asked or found["inputs"]["index"]["path"] != str(index):
        raise UserError(
            "its neighbours were looked up for another configuration",
            where=str(made),
            remedy=f"look them up with the same overrides: snakemake --cores 2 {made} --config 'hydra=[...]'",
        )
    data = RESULTS / "data" / f"{run.settings.dataset.name}.parquet"
    table: pd.DataFrame = read_table(data) if data.is_file() else pd.DataFrame({"instruction": [], "id": []})
    return dict(zip(table["instruction"], table["id"], strict=True))


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise UserError(f"no file {path}", where="instructions", remedy="give a JSON, JSONL or CSV file")
    return path
