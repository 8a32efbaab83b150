"""What a job reads, and which models it holds, by its wildcards: the functions that rules name in `input:`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from superficial.artifacts.files import digest
from superficial.config.schema import LoraSource, StartedEngine
from superficial.config.schema.judge import LocalJudge, StartedJudge
from superficial.pipeline.provenance.current import current
from superficial.pipeline.run import Run
from superficial.pipeline.slices.judging import comparisons
from superficial.pipeline.slices.responses import methods_of

Input = Callable[[Any], str]


class JobInputs:
    """Of the rules of one run; `wildcards` are those of the job."""

    def __init__(self, run: Run) -> None:
        self._run, self._pairs, self._response = run, run.with_stages, run.settings.response.name
        self._comparisons = comparisons(run)

    # Models that a job holds.

    def base_model(self, wildcards: Any) -> list[str]:
        """The base of the pair."""
        return [self._pairs[wildcards.pair].base.name]

    def both_models(self, wildcards: Any) -> list[str]:
        """Both models of the pair."""
        return [*self.base_model(wildcards), self._pairs[wildcards.pair].aligned.name]

    def answering_side(self, wildcards: Any) -> list[str]:
        """The model of the pair that the job is about."""
        return [getattr(self._pairs[wildcards.pair], wildcards.side).name]

    def judging_models(self, wildcards: Any) -> list[str]:
        """The model of a judge that reads here."""
        judge = self._run.judge(wildcards.judge)
        return [judge.model] if isinstance(judge, LocalJudge | StartedJudge) else []

    def answering_models(self, wildcards: Any) -> list[str]:
        """The model that answers; a server holds those that answer behind it."""
        return [] if self._run.settings.engine.kind == "openai_server" else [wildcards.model]

    # Models, and what they are made from.

    def manifest(self, side: str) -> Input:
        """The manifest of the base or of the aligned model of the pair."""
        return lambda wildcards: f"results/models/{getattr(self._pairs[wildcards.pair], side).name}/manifest.json"

    def base_manifest(self, wildcards: Any) -> str | list[str]:
        """Of a model that is an adapter on another one: that one."""
        source = self._run.model(wildcards.model).source
        return f"results/models/{source.base.name}/manifest.json" if isinstance(source, LoraSource) else []

    def adapter_files(self, wildcards: Any) -> list[str]:
        """The files of its adapter; what is missing there is left to the stage, which says what to do about it."""
        source = self._run.model(wildcards.model).source
        adapter = source.adapter if isinstance(source, LoraSource) else None
        folder = Path(adapter).glob("*") if isinstance(adapter, str) else []  # the hub's have a commit instead
        return sorted(str(file) for file in folder if file.is_file())

    # Responses, scores, shifts.

    def responses(self, wildcards: Any) -> str:
        """What the aligned model of the pair answers."""
        return (
            f"results/responses/{wildcards.dataset}/{self._pairs[wildcards.pair].aligned.name}/{self._response}.parquet"
        )

    def aligned_score(self, wildcards: Any) -> str:
        """The stages of a pair are compared with the same aligned model, which is scored once."""
        pair = wildcards.pair.split(".")[0]
        return f"results/scores/{wildcards.dataset}/{pair}/aligned.{self._response}.safetensors"

    def scored_before(self, wildcards: Any) -> str | list[str]:
        """Where states are not kept: the aligned side first, so that the base's can be compared, and go, one by one."""
        if self._run.settings.runtime.keep_states or wildcards.side == "aligned":
            return []
        return self.aligned_score(wildcards)

    def stage_tables(self, wildcards: Any) -> list[str]:
        """The aligned responses under every stage of training."""
        pair, dataset = wildcards.pair, wildcards.dataset
        return [
            f"results/shifts/{dataset}/{pair}.{stage}/{self._response}.parquet" for stage in self._pairs[pair].stages
        ]

    def answers_of(self, side: str) -> Input:
        """The responses of the system that stands on one side of a comparison."""

        def found(wildcards: Any) -> str:
            system = getattr(self._comparisons[wildcards.comparison], side).name.replace(".", "/", 1)
            return f"results/responses/{wildcards.dataset}/{system}.parquet"

        return found

    # Retrieved examples.

    def embedding_manifest(self, index: str) -> str:
        """The embedding model of an index."""
        return f"results/embeddings/{self._run.index(index).embedding}/manifest.json"

    def corpus_source(self, wildcards: Any) -> str | list[str]:
        """The file of a corpus; one of the hub is fetched by the stage, and what is missing here is left to it, too."""
        corpus = self._run.index(wildcards.index).corpus
        return corpus.path if corpus.kind == "local" and Path(corpus.path).is_file() else []

    # Shards.

    def shared(self, stage: str, name: str, artifact: str) -> Input:
        """The marker that every shard of `artifact` is done. Its name holds what the stage reads."""

        def marker(wildcards: Any) -> str:
            key = digest(self._run.slice(stage, name.format(**wildcards)))[:16]
            return f"results/.shards/{artifact}/{key}/all".format(**wildcards)

        return marker

    def shards(self, wildcards: Any) -> list[str]:
        """What is done before the marker: the shards of a stage that has several, or answers by one server."""
        count = self._run.settings.runtime.shards
        if count == 1:
            return self._together(wildcards.artifact)
        names = [f"{index + 1}-of-{count}" for index in range(count)]
        return [f"results/.shards/{wildcards.artifact}/{wildcards.key}/{name}" for name in names]

    def _together(self, artifact: str) -> list[str]:
        """That one server, which a job starts, has answered all methods of a model; nothing where it has one only.

        Nothing, too, for responses that are there as this run asks: they would be made again with those that are not.
        """
        run, (folder, _, method) = self._run, artifact.rpartition("/")
        dataset, _, model = folder.removeprefix("responses/").partition("/")
        methods = methods_of(run, model)
        if not isinstance(run.settings.engine, StartedEngine) or dataset != run.settings.dataset.name:
            return []
        if method not in methods or len(methods) == 1:
            return []
        made = {
            f"results/{artifact}.parquet": run.slice("generate", method),
            f"results/data/{dataset}.parquet": run.slice("data", dataset),
            f"results/models/{model}/manifest.json": run.slice("model", model),
        }
        key = digest(run.slice("generate_together", model))[:16]
        return [] if current(made) else [f"results/.shards/{folder}/{key}/together"]

    def prompt_files_together(self, wildcards: Any) -> list[str]:
        """The files of the prompts of all methods of a model, one method after the other."""
        return [file for method in methods_of(self._run, wildcards.model) for file in self._run.prompt_files(method)]
