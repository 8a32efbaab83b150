"""Logits after the last column of a batch, with a head that is faster than the model's own call of it."""

from typing import Any

import torch

from superficial.models.head import Head, decoder, head_error, states_and_logits


class NextLogits:
    """`next_logits(**inputs)` gives float32 logits (V, B), on the device of the inputs wherever the head lies.

    Vocabulary first, the product of head and states takes half the time (measured at B = 40, V = 262,144). The first
    call compares with the model's own logits; a model whose head does more than that product keeps its own way.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._head: Head | None = None
        self._checked = False

    def __call__(self, **inputs: Any) -> torch.Tensor:
        """One forward pass; `inputs` are those of a transformers causal language model."""
        device = inputs["input_ids"].device
        if self._head is not None:
            states = decoder(self._model)(**inputs).last_hidden_state[:, -1]
            return self._head.logits(states.to(self._head.weight.device)).T.to(device)
        if self._checked:
            own: torch.Tensor = self._model(**inputs, logits_to_keep=1).logits
            return own[:, -1].float().T.contiguous().to(device)
        states, logits = states_and_logits(self._model, **inputs)
        head = Head.of(self._model)
        self._head, self._checked = head if head_error(head, states[:, -1], logits[:, -1]) <= 1 else None, True
        return logits[:, -1].float().T.contiguous().to(device)
