"""The whole configuration."""

from pydantic import Field

from superficial.schema.align import AlignConfig
from superficial.schema.base import Name, Strict
from superficial.schema.dataset import DatasetConfig
from superficial.schema.figure import FigureConfig, ReferenceConfig
from superficial.schema.method import GenerateConfig, MethodConfig
from superficial.schema.model import PairConfig
from superficial.schema.runtime import RuntimeConfig
from superficial.schema.shift import CompareConfig, HandoffConfig, StatsConfig


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
