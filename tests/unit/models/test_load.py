"""What a model computes in, by what the card can do; cards are mocked."""

from typing import Any

import pytest
import torch

from superficial.artifacts.errors import UserError
from superficial.models.head import LMHead, check_head
from superficial.models.load import pick_dtype


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_card_that_emulates_bfloat16_gets_float16(native: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    """A V100 says that it supports bfloat16, unless it is asked whether it does so itself."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    assert pick_dtype("auto", torch.device("cuda")) == dtype
    assert pick_dtype("bfloat16", torch.device("cuda")) == torch.bfloat16
    for other in ("cpu", "mps"):
        assert pick_dtype("auto", torch.device(other)) == torch.float32


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
@pytest.mark.fault("models", "its states overflow in half precision", "one line that names the dtype; exit code 2")
def test_a_model_that_overflows_is_refused_and_told_what_helps(wrong: Any):
    head = LMHead(torch.randn(50, 8).half(), None, 1.0, None)
    states = torch.randn(3, 8).half()
    check_head(head, states, head.logits(states), "m")
    states[1, 2] = wrong
    with pytest.raises(UserError, match=r"m\.yaml: m computes no finite numbers in float16.*dtype: float32"):
        check_head(head, states, head.logits(states), "m")
