"""Embed texts with a sentence-transformers model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from superficial.artifacts.errors import UserError
from superficial.artifacts.progress import progress
from superficial.models.placement import pick_device

BATCH = 32  # texts; it decides the last bits of a vector, so it is no setting of the runtime
CHUNK = 16 * BATCH  # texts between two steps of the progress bar, sorted by length inside


class Embedder:
    """Texts to unit vectors. Query and corpus are both instructions, so both take the same way: no query prompt."""

    def __init__(self, model: SentenceTransformer) -> None:
        self._model = model

    @property
    def dimensions(self) -> int:
        """D, the length of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    @property
    def max_tokens(self) -> int | None:
        """Tokens of a text that count; what follows them is cut off by the model."""
        length = self._model.get_max_seq_length()
        return None if length is None else int(length)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, (N, D) float32, in the order of `texts`."""
        made = []
        with progress("embedding", len(texts), "texts") as bar:
            for start in range(0, len(texts), CHUNK):
                chunk = list(texts[start : start + CHUNK])
                made.append(
                    self._model.encode(chunk, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)
                )
                bar.update(len(chunk))
        return np.ascontiguousarray(np.concatenate(made), dtype=np.float32)


def load_embedder(folder: Path, device: str) -> Embedder:
    """Load the model in `folder`; `device` is "auto" or a torch device.

    Raises:
        UserError: the folder asks for code of its own, or holds something else than a sentence-transformers model.
    """
    try:
        model = SentenceTransformer(
            str(folder), device=str(pick_device(device)), local_files_only=True, trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32},
        )  # fmt: skip
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"no sentence-transformers model that loads ({str(error).splitlines()[0]})",
            where=str(folder),
            remedy="give a model that needs no code of its own and has safetensors weights",
        ) from error
    return Embedder(model)
