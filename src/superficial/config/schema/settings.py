"""The whole configuration."""

from typing import Literal

from pydantic import Field

from superficial.config.schema.align import AlignConfig
from superficial.config.schema.base import Name, Strict
from superficial.config.schema.dataset import DatasetConfig
from superficial.config.schema.figure import FigureConfig, ReferenceConfig
from superficial.config.schema.judge import CanariesConfig, JudgeConfig, PairwiseConfig, TrustConfig
from superficial.config.schema.method import GenerateConfig, MethodConfig
from superficial.config.schema.model import PairConfig
from superficial.config.schema.plan import PlanConfig
from superficial.config.schema.runtime import RuntimeConfig
from superficial.config.schema.search import SearchConfig
from superficial.config.schema.server import EngineConfig
from superficial.config.schema.shift import CausalConfig, CompareConfig, HandoffConfig, PrefillConfig, StatsConfig


class Settings(Strict):
    """The whole configuration, as config/config.yaml composes it."""

    pair: PairConfig
    pairs: list[Name] = Field(description="several pairs in one run; empty means the one in `pair`")
    base: str | None = Field(description="the base model of pair=custom: a folder, or ORG/MODEL on the hub")
    aligned: str | None = Field(description="the aligned model of pair=custom: likewise, or an adapter on the base")
    dataset: DatasetConfig
    response: MethodConfig = Field(description="how the aligned model is asked")
    context: MethodConfig = Field(description="how the base model sees the same instruction")
    contexts: list[Name] = Field(
        description="further contexts of the base, by file name in config/method/; the last one is the headline"
    )
    methods: list[Name] = Field(description="how the base model answers, by file name in config/method/")
    prompt_source: Literal["ours", "published"] = Field(
        description="published: the paper's own prompts, for every method that has one"
    )
    prompt_dir: str | None = Field(description="folder with the paper's prompts; null: fetched from their repository")
    subject: Literal["models", "published"] = Field(
        description="what figures/all is about: the models of this run, or what published_dir holds"
    )
    published_dir: str | None = Field(
        description="folder with outputs/ and judgments/ as the paper's authors name them"
    )
    na_as_five: bool = Field(description="a judge's N/A counts as 5, as in the published code; else it is unscored")
    generate: GenerateConfig
    engine: EngineConfig = Field(description="who decodes the responses")
    compare: CompareConfig
    handoff: HandoffConfig
    prefill: PrefillConfig
    causal: CausalConfig
    search: SearchConfig
    judge: JudgeConfig
    canaries: CanariesConfig
    pairwise: PairwiseConfig
    trust: TrustConfig
    stats: StatsConfig
    figure: FigureConfig
    reference: ReferenceConfig
    align: AlignConfig
    runtime: RuntimeConfig
    plan: PlanConfig
