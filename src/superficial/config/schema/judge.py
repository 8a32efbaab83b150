"""Judges, what they are asked, and what is measured of them."""

import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from superficial.config.schema.base import Name, OfDataset, Strict
from superficial.config.schema.figure import FigureConfig, PublishedComparison
from superficial.config.schema.scores import JudgedView, JudgeTitle, SystemTitle
from superficial.config.schema.server import ServerConfig, StartedConfig
from superficial.config.schema.shift import IntervalsConfig


class PromptFiles(Strict):
    """Rubrics: text files with {instruction} and {response}, or {response_a} and {response_b} for comparisons."""

    regular: str
    safety: str
    pairwise_regular: str
    pairwise_safety: str
    guarded: bool = Field(
        default=True,
        description="what looks like the end of a slot is broken up; false: texts go in as they are",
    )


class _Asked(Strict):
    """What decides a judgment: all that the stages of judging read, so that nothing else reruns them."""

    name: Name


class _Judge(_Asked):
    title: str = Field(description="as tables and figures print it")
    caveat: str = Field(default="", description="what tables and figures must say about it")
    allow_self: bool = Field(default=False, description="may judge responses of its own model")


class AskedLocal(_Asked):
    """A model of this project: its scores are read from the probabilities of what it would write next."""

    kind: Literal["local_probabilities"]
    model: Name = Field(description="a file of config/model/")
    prompt_files: PromptFiles
    questions: str = Field(description="YAML: how the judge's turn begins for each aspect")
    max_tokens: int = Field(
        ge=0, description="of each reason; 0: the reason says what was read, and nothing is decoded"
    )
    date: datetime.date | None = Field(
        default=None, description="the day that its chat template is told if it asks; null: generate.date"
    )


class LocalJudge(AskedLocal, _Judge):
    """A local judge as its file describes it."""


class _AskedByText(_Asked):
    """A judge that is asked in words, and answers in words."""

    prompt_files: PromptFiles
    repair: str = Field(description="text file: what is asked once when an answer cannot be read")
    structured: bool = Field(default=False, description="the server can hold answers to a JSON schema")
    max_tokens: int = Field(ge=1, description="of one answer")


class AskedServer(_AskedByText):
    """A model behind an OpenAI-compatible endpoint; where that is and what it costs is in the runtime."""

    kind: Literal["openai"]
    model: str = Field(min_length=1, description="as the endpoint names it")
    revision: str = Field(default="", description="which state of that model: a commit, date or version; keys answers")


class AskedStarted(_AskedByText):
    """A model that a server has which the job starts."""

    kind: Literal["started"]
    model: str = Field(min_length=1, description="a file of config/model/, a folder, or ORG/MODEL on the hub")
    length: int = Field(ge=1, description="tokens of the longest question with its answer")
    command: str
    cpu_arguments: str = ""


class StartedJudge(AskedStarted, StartedConfig, _Judge):
    """Such a judge as its file describes it, with how the server is started."""


class ServerJudge(AskedServer, ServerConfig, _Judge):
    """A served judge as its file describes it, with its endpoint."""


class AskedImported(_Asked):
    """Judgments that exist already, in just-eval's format: {source}/judgments/ beside {source}/outputs/."""

    kind: Literal["imported"]
    source: str | None = Field(description="folder; null: published_dir")
    systems: dict[str, str] = Field(default={}, description="our MODEL.METHOD: the system as the files name it")
    judge: str | None = Field(default=None, description="one of several judges of the files; null: there is one")


class ImportedJudge(AskedImported, _Judge):
    """Imported judgments as their file describes them."""


class AskedVotes(_Asked):
    """People: a CSV with the columns id, system_a, system_b, vote (a, b or tie); systems are MODEL.METHOD."""

    kind: Literal["votes"]
    source: str = Field(description="CSV file")


class VotesJudge(AskedVotes, _Judge):
    """Votes as their file describes them."""


class AskedModule(_Asked):
    """A kind of judge that a module of its own brings: `open_judge(options)` there returns the judge."""

    kind: Literal["module"]
    module: Name = Field(description="a file of src/superficial/judging/kinds/, without .py")
    options: dict[str, Any] = Field(default={}, description="handed to the module, which says what they mean")


class ModuleJudge(AskedModule, _Judge):
    """Such a judge as its file describes it."""


JudgeConfig = Annotated[
    LocalJudge | ServerJudge | StartedJudge | ImportedJudge | VotesJudge | ModuleJudge, Field(discriminator="kind")
]
AskedJudge = Annotated[
    AskedLocal | AskedServer | AskedStarted | AskedImported | AskedVotes | AskedModule, Field(discriminator="kind")
]


class JudgeFile(Strict):
    """One file of config/judge/."""

    judge: JudgeConfig


class JudgeStage(Strict):
    """What the judge stage reads: the judge, and whose responses it judges."""

    judge: AskedJudge
    system: str = Field(description="MODEL.METHOD")


class CanariesConfig(Strict):
    """Responses that are judged again, changed in ways that must not matter."""

    file: str = Field(description="YAML, name: sentence that is put after the response")
    examples: int = Field(ge=0, description="how many responses")
    seed: int = Field(description="draws them")


class CanariesStage(JudgeStage, CanariesConfig):
    """What the canaries stage reads."""


class ComparisonConfig(Strict):
    """Two systems, each ROLE.METHOD with the role base or aligned, or MODEL.METHOD."""

    a: str
    b: str


class PairwiseConfig(Strict):
    """Comparisons of two systems by the judge itself."""

    systems: list[ComparisonConfig] = Field(description="systems that do not answer in this run are left out")
    examples: int | None = Field(ge=1, description="instructions compared; null: all")
    seed: int = Field(description="draws them")
    cases: int = Field(ge=0, description="instructions a comparison that tables/cases shows")


class TrustConfig(Strict):
    """What the judge of the run is compared with."""

    beside: list[Name] = Field(description="further judges of the same responses, by file name in config/judge/")


class Comparison(Strict):
    """Two systems of this run."""

    name: str
    a: SystemTitle
    b: SystemTitle


class PairwiseStage(Strict):
    """What the pairwise stage reads."""

    judge: AskedJudge
    a: str = Field(description="MODEL.METHOD of one system")
    b: str = Field(description="MODEL.METHOD of the other")
    examples: int | None
    seed: int


class TrustStage(IntervalsConfig):
    """What the trust stage reads: intervals, and what its files hold, in their order."""

    judge: Name
    systems: list[str] = Field(description="MODEL.METHOD of each file of judgments")
    others: list[Name] = Field(description="judge of each file of others' judgments, all systems of one after another")
    comparisons: list[str] = Field(description="name of each file of comparisons")


class TrustFigure(FigureConfig, JudgedView):
    """What the figure of trust reads."""


class PairwiseTable(IntervalsConfig, OfDataset):
    """What the table of comparisons reads, and the paper's Table 2 beside it."""

    judge: JudgeTitle
    asked: list[JudgeTitle] = Field(description="whose comparisons the files hold, comparison after comparison")
    scored: bool = Field(description="whether the judge of the run gives scores that comparisons are derived from")
    comparisons: list[Comparison]
    published: list[PublishedComparison]


class CasesTable(OfDataset):
    """What the table of cases reads."""

    judge: JudgeTitle
    comparisons: list[Comparison]
    cases: int
