"""Names of a pair that is in no file: what `config/pair/custom.yaml` makes from the two keys `base` and `aligned`."""

import re
from collections.abc import Collection

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import digest
from superficial.config.schema import Settings

PREFIX = "custom_"
NEEDED = "pair=custom takes base=ORG/MODEL and aligned=ORG/MODEL"


def model_name(repository: str | None) -> str:
    """A file name for a repository of the hub; two repositories never share one, even on a disk that ignores case.

    >>> model_name("HuggingFaceTB/SmolLM2-135M")
    'huggingfacetb_smollm2_135m_dfcb82'
    """
    if repository is None:
        raise UserError("base or aligned is not set", where="config, key pair", remedy=NEEDED)
    return f"{re.sub('[^a-z0-9]+', '_', repository.lower())}_{digest(repository)[:6]}"


def pair_name(base: str | None, aligned: str | None) -> str:
    """A short file name for the pair; any other two models have another one."""
    return f"{PREFIX}{digest([model_name(base), model_name(aligned)])[:8]}"


def check_custom(settings: Settings, pairs: Collection[str]) -> None:
    """Refuse models that are named for a custom pair when none of `pairs` is one: they would be left out in silence."""
    if (settings.base or settings.aligned) and not any(name.startswith(PREFIX) for name in pairs):
        raise UserError("base and aligned are set, and no pair reads them", where="--config hydra", remedy=NEEDED)
