"""What the search for examples reads of the configuration."""

from typing import Any

from superficial.config import schema
from superficial.config.experiment import Experiment


def prompt_search(run: Experiment, method: str) -> schema.SearchStage:
    """How far the search goes, and the method whose examples are chosen anew."""
    bounds = {name: getattr(run.settings.search, name) for name in schema.SearchBounds.model_fields}
    return schema.SearchStage(**bounds, method=run.method(method))


def searched(run: Experiment) -> dict[str, Any]:
    """What figure and table say of the search: the title of its method, and how much of a response counts."""
    cfg = run.settings.search
    return {"method": run.method(cfg.method).title, "max_positions": cfg.max_positions}
