"""The configuration as types: every key, its unit and its bounds. Unknown keys are refused."""

from superficial.schema.align import AlignConfig, SettleConfig
from superficial.schema.base import Nothing, Strict
from superficial.schema.browser import BrowserStage, ComparedPair, ModelTitle
from superficial.schema.dataset import DatasetConfig
from superficial.schema.figure import (
    DefinitionsTable,
    FigureConfig,
    FigureStage,
    PairTitle,
    PublishedShift,
    ReferenceConfig,
)
from superficial.schema.method import (
    DecodingConfig,
    ExamplesConfig,
    GenerateConfig,
    GenerateStage,
    MethodConfig,
    NeighboursConfig,
    PromptConfig,
)
from superficial.schema.model import LocalSource, LoraSource, ModelConfig, PairConfig, PypiSource
from superficial.schema.runtime import RuntimeConfig
from superficial.schema.settings import Settings
from superficial.schema.shift import CompareConfig, HandoffConfig, HandoffStage, RescoreStage, ScoreStage, StatsConfig

__all__ = [
    "AlignConfig",
    "BrowserStage",
    "CompareConfig",
    "ComparedPair",
    "DatasetConfig",
    "DecodingConfig",
    "DefinitionsTable",
    "ExamplesConfig",
    "FigureConfig",
    "FigureStage",
    "GenerateConfig",
    "GenerateStage",
    "HandoffConfig",
    "HandoffStage",
    "LocalSource",
    "LoraSource",
    "MethodConfig",
    "ModelConfig",
    "ModelTitle",
    "NeighboursConfig",
    "Nothing",
    "PairConfig",
    "PairTitle",
    "PromptConfig",
    "PublishedShift",
    "PypiSource",
    "ReferenceConfig",
    "RescoreStage",
    "RuntimeConfig",
    "ScoreStage",
    "Settings",
    "SettleConfig",
    "StatsConfig",
    "Strict",
]
