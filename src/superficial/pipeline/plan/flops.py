"""Forward FLOPs and bytes of a decoder, from the few numbers of its architecture.

Two operations for each weight and position, and attention on top: a position with p positions before it takes 4 * p *
layers * heads * head_dim for scores and sums (Kaplan et al. 2020, arXiv 2001.08361, table 1, causal). Sliding windows
are counted as full attention, so that this is an upper bound for them.
"""

from superficial.config.schema import Architecture


def body_weights(model: Architecture) -> int:
    """Weights that every position passes: all but the embedding table and the LM head."""
    return model.parameters - model.vocabulary * model.hidden * (1 if model.tied else 2)


def reading(model: Architecture, start: float, end: float) -> float:
    """FLOPs of the positions from `start` up to `end` of one sequence, without the LM head."""
    attention = 2 * model.layers * model.heads * model.head_dim * (end**2 - start**2)
    return 2.0 * body_weights(model) * (end - start) + attention


def logits(model: Architecture, positions: float) -> float:
    """FLOPs of the LM head over the whole vocabulary at so many positions."""
    return 2.0 * model.vocabulary * model.hidden * positions


def cache_bytes(model: Architecture, width: int) -> int:
    """Bytes of the keys and values of one position; `width` is bytes a number."""
    return 2 * model.layers * model.kv_heads * model.head_dim * width
