"""Logits in half precision are those of the exact numbers, wherever states meet a head."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.local_judge import QUESTIONS
from support.reference import NEW, gemma, llama, prompts
from support.reference import loaded as made
from support.tiny import make_model
from torch._subclasses.fake_tensor import FakeTensorMode

from superficial.align.loss import head_cross_entropy
from superficial.config.schema import ModelConfig
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.decode import Decoder
from superficial.inference.generate.logits import NextLogits
from superficial.inference.teacher_forcing import TeacherForcing, TokenSequence
from superficial.judging.judges.probability_reader import ProbabilityReader, read_questions
from superficial.judging.judges.rubric import Rubric
from superficial.models.head import LMHead, model_body
from superficial.models.load import LoadedModel, load_model
from superficial.models.manifest import write_manifest
from superficial.models.product import BLOCK, product
from superficial.shift.category import category
from superficial.shift.compare import compare
from superficial.shift.distributions import HeadAndStates

HALF = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])


def half(make: Callable[[], Any], dtype: torch.dtype, ends: tuple[int, ...] = (1,)) -> LoadedModel:
    model = made(make, list(ends))
    return LoadedModel(
        lambda: model.model.to(dtype), model.tokenizer, model.manifest, model.device, dtype, model.end_ids, 512
    )


def exact(head: LMHead, states: torch.Tensor) -> torch.Tensor:
    """float64 logits (N, V)."""
    logits = states.double() @ head.weight.double().T
    if head.bias is not None:
        logits += head.bias.double()
    logits *= head.scale
    return logits if head.softcap is None else head.softcap * torch.tanh(logits / head.softcap)


def expect(base: HeadAndStates, aligned: HeadAndStates, tokens: torch.Tensor) -> None:
    """The whole token table against float64 products of the same states, at every token."""
    table = compare(base, aligned, tokens, 5, 16)
    p, q = (exact(one.head, one.states).log_softmax(dim=1) for one in (base, aligned))
    for name, logs in (("base", p), ("aligned", q)):
        gold = logs.gather(1, tokens[:, None])
        ranks = 1 + (logs > gold).sum(dim=1)
        np.testing.assert_allclose(table[f"{name}_rank"], ranks, rtol=1e-4)  # equal, but for the deepest of 262,144
        np.testing.assert_allclose(table[f"{name}_prob"], gold[:, 0].exp(), rtol=1e-4, atol=1e-7)
        assert (np.stack(table[f"{name}_top_ids"]) == logs.topk(5, dim=1).indices.numpy()).all()
    assert table["category"].tolist() == category((1 + (p > p.gather(1, tokens[:, None])).sum(dim=1)).numpy()).tolist()
    np.testing.assert_allclose(table["kl_aligned_base"], (q.exp() * (q - p)).sum(dim=1), atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(table["kl_base_aligned"], (p.exp() * (p - q)).sum(dim=1), atol=1e-5, rtol=1e-5)
    assert (table["base_ties"] == 0).all()


@HALF
@pytest.mark.parametrize("make", [llama, gemma])
def test_the_token_table_of_models_in_half_precision(make: Callable[[], Any], dtype: torch.dtype):
    """Greedy answers and random tokens, so that ranks of every depth are met."""
    models = [half(make, dtype), half(make, dtype)]
    with torch.no_grad():
        for weight in models[1].model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)).to(dtype))
    found = dict(Decoder(models[1], GreedyDecoding(NEW), 8).answers(prompts()))
    sequences = [TokenSequence(prompt, found[row].token_ids) for row, prompt in enumerate(prompts())]
    draw = torch.Generator().manual_seed(2)
    sequences += [TokenSequence(one, torch.randint(5, 300, (NEW,), generator=draw).tolist()) for one in prompts()]
    sides = [HeadAndStates(LMHead.of(one.model), TeacherForcing(one, 200).states(sequences)) for one in models]
    assert sides[0].states.dtype == dtype
    tokens = torch.tensor([token for one in sequences for token in one.response])
    expect(sides[0], sides[1], tokens)


@HALF
@pytest.mark.parametrize("vocabulary", [262_144, BLOCK + 77])
@pytest.mark.parametrize(("scale", "softcap", "bias"), [(1.0, None, False), (0.5, 20.0, True)])
def test_a_vocabulary_of_any_size(vocabulary: int, dtype: torch.dtype, scale: float, softcap: float | None, bias: bool):
    draw = torch.Generator().manual_seed(4)
    normal = lambda *size: torch.randn(*size, generator=draw).to(dtype)  # noqa: E731
    sides = [
        HeadAndStates(
            LMHead(normal(vocabulary, 40), normal(vocabulary) if bias else None, scale, softcap), normal(24, 40)
        )
        for _ in range(2)
    ]
    # Tokens near the top, where equal logits would share a rank.
    logits = exact(sides[0].head, sides[0].states)
    tokens = logits.topk(24, dim=1).indices.diagonal()
    rounded = (sides[0].states @ sides[0].head.weight.T).float()
    assert ((rounded > rounded.gather(1, tokens[:, None])).sum(dim=1) != torch.arange(24)).any()  # or nothing is tested
    expect(sides[0], sides[1], tokens)


@HALF
def test_one_logit_is_that_of_all(dtype: torch.dtype):
    draw = torch.Generator().manual_seed(5)
    head = LMHead(torch.randn(500, 64, generator=draw).to(dtype), None, 1.0, None)
    states, tokens = torch.randn(9, 64, generator=draw).to(dtype), torch.arange(9) * 7
    wanted = exact(head, states).gather(1, tokens[:, None])[:, 0].float()
    torch.testing.assert_close(head.logit(states, tokens), wanted, atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(head.logits(states).gather(1, tokens[:, None])[:, 0], wanted, atol=1e-5, rtol=1e-6)


def test_equal_logits_are_counted():
    """Two more tokens with the weights of the emitted one."""
    weight = torch.tensor([[2.0], [1.0], [1.0], [0.0], [1.0]], dtype=torch.bfloat16)
    side = HeadAndStates(LMHead(weight, None, 1.0, None), torch.ones(3, 1, dtype=torch.bfloat16))
    table = compare(side, side, torch.tensor([1, 0, 4]), 2, 2)
    assert table["base_ties"].tolist() == table["aligned_ties"].tolist() == [2, 0, 2]
    assert table["base_rank"].tolist() == [2, 1, 2]


@HALF
def test_decoding_takes_the_best_of_exact_logits(dtype: torch.dtype):
    """The first step of a batch, too, which holds the head against the model's own logits."""
    model = half(llama, dtype)
    following, ids = NextLogits(model.model), torch.tensor(prompts()[:1])
    with torch.inference_mode():
        states = model_body(model.model)(input_ids=ids).last_hidden_state[:, -1]
        for _ in range(2):
            found = following(input_ids=ids)
            torch.testing.assert_close(found.T.double(), exact(LMHead.of(model.model), states), atol=1e-5, rtol=1e-5)


@HALF
def test_the_judge_reads_exact_probabilities(tmp_path: Path, dtype: torch.dtype):
    folder = make_model(tmp_path / "model", seed=5, chat=True)
    source = {"kind": "local", "path": str(folder)}
    name = str(dtype).removeprefix("torch.")
    given = {"name": "judge", "title": "judge", "licence": "none", "source": source, "dtype": name}
    write_manifest(folder / "manifest.json", ModelConfig.model_validate(given))
    model = load_model(folder / "manifest.json", "cpu")
    assert model.dtype == dtype
    seen = []
    model.model.get_decoder().register_forward_hook(lambda _m, _a, output: seen.append(output.last_hidden_state))
    judge = ProbabilityReader(model, Rubric("Grade it: {instruction} {response}", True))
    questions = read_questions(QUESTIONS, model, "scores", ("helpfulness", "depth"))
    found = judge.readings("x", {"instruction": "Why?", "response": "So."}, questions)
    for row, (question, reading) in enumerate(zip(questions, found, strict=True)):
        states = seen[-1][row, len(question.lead) - 1][None]
        shares = exact(LMHead.of(model.model), states)[0, question.options].softmax(dim=0)
        assert reading.shares == pytest.approx(shares.tolist(), abs=2e-6)


@HALF
def test_the_loss_of_training_is_exact(dtype: torch.dtype):
    draw = torch.Generator().manual_seed(6)
    states = torch.randn(30, 48, generator=draw).to(dtype).requires_grad_()
    head = torch.randn(700, 48, generator=draw).to(dtype)
    reference = torch.randn(30, 48, generator=draw).to(dtype)
    targets, weights = torch.randint(700, (30,), generator=draw), torch.ones(30)
    wide = states.detach().double().requires_grad_()
    mixed = (reference.double() @ head.double().T).softmax(dim=1) + torch.nn.functional.one_hot(targets, 700)
    wanted = torch.nn.functional.cross_entropy(wide @ head.double().T, mixed / 2)
    found = head_cross_entropy(states, reference, head, targets, weights, weights / 2, 16)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    slopes = torch.autograd.grad(found, states)[0], torch.autograd.grad(wanted, wide)[0]
    torch.testing.assert_close(slopes[0].double(), slopes[1], atol=0.01 * float(slopes[1].abs().max()), rtol=0.01)


def test_a_card_is_asked_for_a_product_in_float32(monkeypatch: pytest.MonkeyPatch):
    """Without a card: tensors that only say where they lie. The call is one that torch knows for that device."""
    asked: list[dict[str, Any]] = []
    real = torch.mm

    def mm(*factors: torch.Tensor, **given: Any) -> torch.Tensor:
        asked.append(given)
        return real(*factors, **given)

    monkeypatch.setattr(torch, "mm", mm)
    with FakeTensorMode():
        left = torch.empty(30, 8, dtype=torch.bfloat16, device="cuda")
        out = torch.empty(30, 5, device="cuda")
        found = product(left, torch.empty(5, 8, dtype=torch.bfloat16, device="cuda").T, out=out)
    assert (found.dtype, found.device.type, tuple(found.shape)) == (torch.float32, "cuda", (30, 5))
    assert [one["out_dtype"] for one in asked] == [torch.float32]


@pytest.mark.parametrize("sizes", [(1, 1, 1), (BLOCK + 3, 5, 2), (4, BLOCK + 9, 3), (2, 7, 2 * BLOCK + 1)])
def test_blocks_make_no_difference(sizes: tuple[int, int, int]):
    rows, inner, columns = sizes
    draw = torch.Generator().manual_seed(7)
    left = torch.randn(rows, inner, generator=draw).bfloat16()
    right = torch.randn(inner, columns, generator=draw).bfloat16()
    out = torch.full((rows, columns), torch.nan)
    assert product(left, right, out) is out
    torch.testing.assert_close(out.double(), left.double() @ right.double(), atol=1e-4, rtol=1e-5)


def test_work_in_half_precision_is_kept_apart_from_that_with_rounded_logits():
    keys = {dtype: half(llama, dtype).key for dtype in (torch.float32, torch.bfloat16)}
    assert keys[torch.float32].endswith("-torch.float32")
    assert not keys[torch.bfloat16].endswith("-torch.bfloat16")
