"""How the aligned sibling is made."""

from typing import Annotated

from pydantic import Field

from superficial.config.schema.base import Name, Strict
from superficial.config.schema.model import ModelConfig


class SettleConfig(Strict):
    """Last passes in mixed batches, with fewer refusals; the adapter is the mean of what each of them makes."""

    learning_rate: float = Field(gt=0)
    refusals_every: list[int] = Field(
        min_length=1, description="one pass each: of the safety examples, only every so many-th"
    )
    seed: int


class AlignConfig(Strict):
    """LoRA training of the aligned sibling."""

    name: Name
    base: ModelConfig
    data: str = Field(description="JSONL with instruction and response")
    chat_template: str = Field(description="Jinja file that ships with the adapter")
    end_of_turn: str = Field(description="token that closes a response; must be one token of the base's vocabulary")
    notice: str = Field(description="file with the licence notice that must travel with the adapter")
    rank: int = Field(ge=1)
    alpha: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1, description="examples a step")
    warmup_share: float = Field(ge=0, lt=1, description="share of the steps with rising learning rate")
    seed: int
    settle: SettleConfig
    saved: dict[Name, Annotated[int, Field(ge=1)]] = Field(
        description="points of the epochs that are kept, in folders of these names beside the adapter: after which step"
    )
