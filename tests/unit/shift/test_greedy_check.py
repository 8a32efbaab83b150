"""The chain from response to token table: a link that does not hold is named, and honest rounding breaks none."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from support.relatives import relative, rename
from support.tiny import CHAT

from superficial.artifacts.errors import UserError
from superficial.config.schema import (
    CompareConfig,
    DecodingConfig,
    GenerateStage,
    Nothing,
    PromptConfig,
    Runtime,
    ScoreStage,
)
from superficial.inference.generate.stage import run as generate
from superficial.shift.compare import run as compare
from superficial.shift.greedy_check import SPARED
from superficial.shift.greedy_check import Chain as Guard
from superficial.shift.pair.stage import run as match
from superficial.shift.score import run as score

RUNTIME = Runtime(device="cpu", generate_batch=4, score_tokens=200, position_chunk=32)
PROMPT = PromptConfig(kind="chat")
OTHER = CHAT.replace("<|assistant|>", "<|assistant|>Well")


class Chain:
    """Responses of a model on disk, and the comparison of what another copy of it says of them."""

    def __init__(self, models: Path, folder: Path, penalty: float = 1.0) -> None:
        self.folder, self.base = folder, relative(models / "base", folder / "base")
        self.written = relative(models / "aligned", folder / "aligned")
        texts = ["How do I keep plants alive?", "What can I do", "a list of things", "Here is a thing"]
        self.data, self.responses = folder / "data.parquet", folder / "r/a/b/c/responses.parquet"
        rows = {"id": list("wxyz"), "instruction": texts, "category": "regular", "turns": [[]] * 4}
        pd.DataFrame(rows).to_parquet(self.data)
        cfg = GenerateStage(max_new_tokens=16, prompt=PROMPT, decoding=DecodingConfig(repetition_penalty=penalty))
        generate(cfg, RUNTIME, model=self.written, data=self.data, out=self.responses)

    def compared(self, aligned: Path) -> Mapping[str, Any]:
        """The sidecar of the comparison."""
        models, pair = {"base": self.base, "aligned": aligned}, self.folder / "pair.json"
        match(Nothing(), RUNTIME, **models, out=pair)
        scores = {}
        for side, model in models.items():
            context = PROMPT if side == "aligned" else PromptConfig(kind="completion", template="{instruction}")
            scores[f"{side}_score"] = self.folder / "s/a/b/c" / f"{aligned.parent.name}.{side}.safetensors"
            score(
                ScoreStage(context=context), RUNTIME, pair=pair, model=model, data=self.data, responses=self.responses,
                out=scores[f"{side}_score"],
            )  # fmt: skip
        out = self.folder / "t/a/b/table.parquet"
        compare(CompareConfig(top_k=3), RUNTIME, pair=pair, **models, responses=self.responses, **scores, out=out)
        found: dict[str, Any] = json.loads((out.parent / f"{out.name}.meta.json").read_text())
        return found


@pytest.fixture(scope="module")
def chain(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(tiny_models, tmp_path_factory.mktemp("chain"))


def test_a_chain_that_holds(chain: Chain):
    assert chain.compared(chain.written)["aligned_rank_1_share"] == 1


@pytest.mark.fault(
    "tokenizers",
    "the chat template is another than when responses were written",
    "one line that names the first place; exit code 2",
)
def test_another_chat_template_is_named(chain: Chain, tiny_models: Path, tmp_path: Path):
    """As one that reads the clock, and is read on another day."""
    other = relative(tiny_models / "aligned", tmp_path / "aligned")
    (other.parent / "chat_template.jinja").write_text(OTHER, encoding="utf-8")
    with pytest.raises(UserError, match=r"aligned wrote .*99% .*instruction w, position \d.*chat template") as error:
        chain.compared(other)
    assert "\n" not in str(error.value)
    assert str(chain.responses) in str(error.value)


@pytest.mark.fault(
    "models",
    "the weights are others than when responses were written",
    "one line that names the first place; exit code 2",
)
def test_other_weights_are_named(chain: Chain, tiny_models: Path, tmp_path: Path):
    other = relative(tiny_models / "base", tmp_path / "aligned")
    (other.parent / "chat_template.jinja").write_text(CHAT, encoding="utf-8")
    with pytest.raises(UserError, match="its weights or its tokenizer changed"):
        chain.compared(other)


def test_another_tokenizer_is_named(chain: Chain, tiny_models: Path, tmp_path: Path):
    """Its prompts are other ids; the responses stay as they are."""
    edit = rename(**{"|user|": "|assistant|", "|assistant|": "|user|"})
    other = relative(tiny_models / "aligned", tmp_path / "aligned", edit=edit)
    with pytest.raises(UserError, match="first choice"):
        chain.compared(other)


def test_a_repetition_penalty_excuses(tiny_models: Path, tmp_path: Path):
    chain = Chain(tiny_models, tmp_path, penalty=1.5)
    assert chain.compared(chain.written)["aligned_rank_1_share"] < 0.95


def check_chain(table: pd.DataFrame, *about: Any) -> None:
    """The check of a table that comes in two parts."""
    chain = Guard(*about)
    for _, part in table.groupby("example_id", sort=False):
        chain.see(part)
    chain.check()


def table(missed: int, of: int = 1000) -> pd.DataFrame:
    """Two responses; the second one misses its last tokens."""
    half = of // 2
    columns = {"example_id": ["q"] * half + ["r"] * half, "position": [*range(half)] * 2, "token": ["a"] * of}
    return pd.DataFrame(columns | {"aligned_rank": [1] * (of - missed) + [2] * missed})


def sidecar(folder: Path, dtype: str | None, server: object = None, penalty: float = 1.0) -> Path:
    out = folder / "responses.parquet"
    meta: dict[str, Any] = {"config": {"decoding": {"repetition_penalty": penalty}, "server": server}}
    meta |= {"dtype": dtype} if dtype else {}
    (folder / "responses.parquet.meta.json").write_text(json.dumps(meta))
    return out


@pytest.mark.parametrize(
    ("read", "written", "allowed"),
    [
        (torch.float32, "torch.float32", 10),
        (torch.float16, "torch.float32", 30),
        (torch.bfloat16, "torch.float32", 50),
        (torch.float32, "torch.bfloat16", 50),
        (torch.float16, "torch.bfloat16", 50),
    ],
)
def test_the_bound_is_that_of_the_coarser_dtype(tmp_path: Path, read: torch.dtype, written: str, allowed: int):
    responses = sidecar(tmp_path, written)
    check_chain(table(allowed), read, "m", responses)
    with pytest.raises(UserError, match=f"instruction r, position {500 - allowed - 1},"):
        check_chain(table(allowed + 1), read, "m", responses)


def test_answers_from_elsewhere(tmp_path: Path):
    """A server's, and those of which nothing is told."""
    check_chain(table(50), torch.float32, "m", tmp_path / "none.parquet")
    with pytest.raises(UserError):
        check_chain(table(51), torch.float32, "m", tmp_path / "none.parquet")
    served = sidecar(tmp_path, None, {"model": "x"})
    check_chain(table(200), torch.float32, "m", served)
    with pytest.raises(UserError):
        check_chain(table(201), torch.float32, "m", served)


def test_a_bound_of_the_users_own(tmp_path: Path):
    responses = sidecar(tmp_path, "torch.float32", penalty=1.1)
    check_chain(table(1000), torch.float32, "m", responses)
    check_chain(table(500), torch.float32, "m", responses, 0.5)
    with pytest.raises(UserError):
        check_chain(table(501), torch.float32, "m", responses, 0.5)
    check_chain(table(1000), torch.float32, "m", sidecar(tmp_path, "torch.float32"), 0.0)


def test_single_tokens_break_no_short_chain(tmp_path: Path):
    responses = sidecar(tmp_path, "torch.float32")
    check_chain(table(SPARED, 6), torch.float32, "m", responses)
    with pytest.raises(UserError):
        check_chain(table(SPARED + 1, 6), torch.float32, "m", responses)
