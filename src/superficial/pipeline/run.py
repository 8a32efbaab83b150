"""A run of the workflow: its configuration, with what rules ask of it."""

from superficial.artifacts.files import canonical
from superficial.config.experiment import Experiment
from superficial.config.schema.server import ModuleEngine
from superficial.pipeline.slices.registry import SLICES
from superficial.pipeline.stages import source_files
from superficial.prompts.files import prompt_files


class Run(Experiment):
    """An experiment, cut into the slice that each stage reads.

    The workflow sees builtins only: a slice is one canonical JSON string, because Snakemake compares that reliably.
    """

    def slice(self, stage: str, name: str = "") -> str:
        """What `stage` reads, as canonical JSON; `name` is the model, method or change that the job is about."""
        text = canonical(SLICES[stage](self, name).model_dump(mode="json"))
        return text.replace(
            "</", "<\\/"
        )  # the same to a reader of JSON; Snakemake's report puts it into a script block

    def prompt_files(self, method: str) -> list[str]:
        """Every file that the prompt of a method reads, for rules: `input: prompt_files=`."""
        return prompt_files(self.method(method).prompt, self.settings.dataset.name, method)

    @property
    def engine_files(self) -> list[str]:
        """The code of an engine that is a module of its own, for rules: its answers depend on it."""
        engine = self.settings.engine
        return (
            source_files(f"superficial.inference.engines.{engine.module}") if isinstance(engine, ModuleEngine) else []
        )
