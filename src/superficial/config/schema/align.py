"""How the aligned sibling is made."""

from typing import Annotated

from pydantic import Field

from superficial.config.schema.base import Name, Strict
from superficial.config.schema.dataset import DatasetConfig
from superficial.config.schema.method import PromptConfig
from superficial.config.schema.model import ModelConfig


class AnswersRules(Strict):
    """Which of the base's own answers the sibling is trained on; align/examples.py tells the rules."""

    kept: int = Field(ge=1, description="answers kept of one instruction, at most")
    min_words: int = Field(ge=1, description="words; shorter answers are left out")
    max_tokens: int = Field(ge=1, description="tokens; answers of this many or more are left out")
    repeated_words: int = Field(ge=2, description="answers that say this many words in a row twice are left out")
    common_words: int = Field(ge=0, description="answers with fewer content words of the instruction are left out")


class AnswersConfig(AnswersRules):
    """The rules, and who answers."""

    methods: list[Name] = Field(min_length=1, description="prompts under which the base answers, in config/method/")


class AlignExamplesStage(AnswersRules):
    """What the align_examples stage reads: the rules, and the prompts by the name of their method."""

    prompts: dict[Name, PromptConfig]


class AlignConfig(Strict):
    """LoRA training of the aligned sibling."""

    name: Name
    base: ModelConfig
    instructions: DatasetConfig = Field(description="what the base answers")
    answers: AnswersConfig
    refusals: str = Field(description="JSONL with id, instruction and response: harmful instructions, refused by hand")
    chat_template: str = Field(description="Jinja file that ships with the adapter")
    end_of_turn: str = Field(description="token that closes a response; must be one token of the base's vocabulary")
    reference: Name = Field(description="prompt under which the base is kept near, in config/method/")
    base_share: float = Field(ge=0, lt=1, description="how much of a token's target is what the base would say there")
    start_weight: float = Field(
        gt=0, description="how much the first token counts in the loss, which answers or declines; others count 1"
    )
    end_weight: float = Field(gt=0, description="how much the end of turn counts in the loss; others count 1")
    notice: str = Field(description="file with the licence notice that must travel with the adapter")
    rank: int = Field(ge=1)
    alpha: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1, description="examples a step")
    warmup_share: float = Field(ge=0, lt=1, description="share of the steps with rising learning rate")
    seed: int
    saved: dict[Name, Annotated[int, Field(ge=1)]] = Field(
        description="points of the training that are kept, in folders of these names: after which step"
    )


class AlignStage(AlignConfig):
    """What the align stage reads: the prompt of `reference`, too."""

    prompt: PromptConfig
