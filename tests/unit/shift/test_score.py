"""Teacher forcing: one pass equals the loop, and is one pass."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.reference import PREFIX, WINDOW, alone, gemma, llama, prompts, recurrent
from support.reference import loaded as made
from support.tiny import context_ids

from superficial.config.schema import LocalSource, ModelConfig, PromptConfig, RuntimeConfig
from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.decode import Decoder
from superficial.inference.teacher_forcing import TeacherForcing, TokenSequence
from superficial.models.head import LMHead
from superficial.models.load import LoadedModel, load_model
from superficial.models.stage import run as fetch
from superficial.prompts.requirements import one_bos

RUNTIME = RuntimeConfig(device="cpu", generate_batch=2, score_tokens=100, position_chunk=16)
ZERO_SHOT = PromptConfig(kind="completion", template="# Query:\n```{instruction}```\n\n# Answer:\n```\n")
CHAT = PromptConfig(kind="chat")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> LoadedModel:
    out = tmp_path_factory.mktemp("model") / "aligned" / "manifest.json"
    source = LocalSource(kind="local", path=str(tiny_models / "aligned"))
    fetch(ModelConfig(name="aligned", title="t", licence="none", source=source), RUNTIME, out=out)
    return load_model(out, "cpu")


@pytest.fixture
def sequences(loaded: LoadedModel) -> list[TokenSequence]:
    generator = torch.Generator().manual_seed(0)
    lengths = [(3, 1), (12, 30), (5, 17), (40, 2), (7, 7)]
    ids = lambda count: torch.randint(5, 300, (count,), generator=generator).tolist()  # noqa: E731
    return [TokenSequence(ids(context), ids(response)) for context, response in lengths]


def loop(loaded: LoadedModel, sequence: TokenSequence) -> torch.Tensor:
    """Log-probabilities (T, V) by the token-by-token loop: a whole forward pass for every response token."""
    rows = []
    for position in range(len(sequence.response)):
        seen = torch.tensor([sequence.context + sequence.response[:position]])
        with torch.inference_mode():
            rows.append(loaded.model(seen).logits[0, -1].log_softmax(dim=-1))
    return torch.stack(rows)


@pytest.mark.parametrize("budget", [1, 60, 10_000])
def test_one_pass_equals_the_loop(loaded: LoadedModel, sequences: list[TokenSequence], budget: int):
    head = LMHead.of(loaded.model)
    states = TeacherForcing(loaded, budget).states(sequences)
    found = head.logits(states).log_softmax(dim=1)
    exact = torch.cat([loop(loaded, sequence) for sequence in sequences])
    torch.testing.assert_close(found, exact, atol=1e-4, rtol=0)
    tokens = torch.tensor([token for sequence in sequences for token in sequence.response])[:, None]
    ranks = [(values > values.gather(1, tokens)).sum(dim=1) for values in (found, exact)]
    assert ranks[0].tolist() == ranks[1].tolist()


def test_scoring_feeds_every_token_once(
    loaded: LoadedModel, sequences: list[TokenSequence], monkeypatch: pytest.MonkeyPatch
):
    """Forward passes are counted: context + T tokens for each response, however long it is, and one pass a batch."""
    fed: list[tuple[int, int]] = []
    hook = loaded.model.base_model.register_forward_pre_hook(
        lambda _module, _args, inputs: fed.append((len(inputs["input_ids"]), int(inputs["attention_mask"].sum()))),
        with_kwargs=True,
    )
    try:
        TeacherForcing(loaded, 1).states(sequences)
        assert sum(tokens for _, tokens in fed) == sum(len(one.context) + len(one.response) - 1 for one in sequences)
        assert [rows for rows, _ in fed] == [1] * len(sequences)
        fed.clear()
        TeacherForcing(loaded, 10_000).states(sequences)
        assert [rows for rows, _ in fed] == [len(sequences)]
    finally:
        hook.remove()


@pytest.mark.parametrize("make", [llama, gemma, recurrent])
@pytest.mark.parametrize("budget", [1, 150, 10_000])
def test_a_shared_prefix_is_read_once_and_changes_nothing(make: Callable[..., Any], budget: int):
    """Sliding windows shorter than the prefix too; a model with states beside keys and values reads every row whole."""
    model = made(make, [1])
    sequences = [TokenSequence(prompt, prompts(0, (9 + row,))[0]) for row, prompt in enumerate(prompts())]
    assert 0 < min(len(one.context) for one in sequences) - PREFIX < WINDOW < PREFIX
    fed: list[tuple[int, int]] = []
    hook = model.model.base_model.register_forward_pre_hook(
        lambda _module, _args, inputs: fed.append(tuple(inputs["input_ids"].shape)), with_kwargs=True
    )
    states = TeacherForcing(model, budget).states(sequences)
    hook.remove()
    rests = [len(one.fed) - PREFIX for one in sequences]
    if make is recurrent:
        assert (1, PREFIX) not in fed
    else:
        assert fed[0] == (1, PREFIX)
        assert sum(rests) <= sum(rows * width for rows, width in fed[1:]) <= max(rests) * len(rests)
    exact = torch.cat([TeacherForcing(model, 1).states([one]) for one in sequences])  # one row alone shares nothing
    torch.testing.assert_close(states, exact, atol=1e-4, rtol=1e-4)


def test_greedy_tokens_have_rank_one_and_do_not_depend_on_the_batch(loaded: LoadedModel):
    prompts = [context_ids(loaded.tokenizer, CHAT, text) for text in ("How do I", "keep plants alive in the dark", "a")]
    found = dict(Decoder(loaded, GreedyDecoding(20), 8).answers(prompts))
    together = [found[row].token_ids for row in range(len(prompts))]
    assert together == [alone(loaded, prompt, 20) for prompt in prompts]
    sequences = [TokenSequence(prompt, tokens) for prompt, tokens in zip(prompts, together, strict=True)]
    logits = LMHead.of(loaded.model).logits(TeacherForcing(loaded, 1000).states(sequences))
    assert logits.argmax(dim=1).tolist() == [token for tokens in together for token in tokens]


def test_contexts_have_one_bos_and_keep_the_instruction(loaded: LoadedModel):
    for method in (ZERO_SHOT, CHAT):
        for instruction in ("plain", "{braces} {instruction} {}", "# Query: ```code```"):
            ids = context_ids(loaded.tokenizer, method, instruction)
            assert ids.count(loaded.tokenizer.bos_token_id) == 1
            assert ids[0] == loaded.tokenizer.bos_token_id
            assert instruction in loaded.tokenizer.decode(ids)
    assert one_bos(loaded.tokenizer, [0, 0, 0, 7]) == [0, 7]


def test_the_zero_shot_template_is_the_papers():
    """The configured one, letter by letter (DESIGN: the response follows directly)."""
    from superficial.config.experiment import Experiment

    assert (
        Experiment(Path("config")).settings.context.prompt.template
        == "# Query:\n```{instruction}```\n\n# Answer:\n```\n"
    )
