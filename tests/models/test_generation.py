"""Our decoding loop on a real checkpoint: sliding windows, a head of 262k tokens, and floats that nearly tie."""

import subprocess
import sys
from collections.abc import Sequence

import pytest
import torch
from support.project import ROOT
from support.reference import alone

from superficial.inference.generate.answer import GreedyDecoding
from superficial.inference.generate.batch import DecodingBatch
from superficial.inference.generate.decode import Decoder
from superficial.models.load import LoadedModel, load_model

MANIFEST = ROOT / "results/models/gemma3_270m/manifest.json"
NEW = 24
QUERIES = [
    "What is the tallest mountain?", "Name every planet.", "Why is the sky blue, and why is it red in the evening?",
    "Write a short poem about a river that goes to the sea and does not come back.", "2 + 2?",
    "How do I keep a plant alive in a dark room without much water, and which plants would you choose for it?",
]  # fmt: skip
EXAMPLE = (
    "# Query:\n```Tell me {what} about {topic}.```\n\n# Answer:\n```\n{topic} is something that one can learn.\n```\n\n"
)


@pytest.fixture(scope="module")
def base() -> LoadedModel:
    if not MANIFEST.is_file():
        command = [sys.executable, "-m", "snakemake", "--cores", "all", str(MANIFEST.relative_to(ROOT))]
        subprocess.run(command, cwd=ROOT, check=True)
    return load_model(MANIFEST, "cpu")


@pytest.fixture(scope="module")
def prompts(base: LoadedModel) -> list[list[int]]:
    """Longer than the window of the sliding layers, which is 512."""
    topics = [
        (what, topic)
        for what in ("all", "more", "a bit")
        for topic in ("Water", "Bread", "Rain", "Iron", "Music", "Sand")
    ]
    shared = "".join(EXAMPLE.format(what=what, topic=topic) for what, topic in topics)
    texts = [f"{shared}# Query:\n```{query}```\n\n# Answer:\n```\n" for query in QUERIES]
    return [list(base.tokenizer(text).input_ids) for text in texts]


@pytest.mark.parametrize(("penalty", "batch"), [(1.0, 6), (1.1, 4)])
def test_answers_are_those_of_transformers_alone(
    base: LoadedModel, prompts: list[list[int]], penalty: float, batch: int
):
    decoder = Decoder(base, GreedyDecoding(NEW, penalty), batch)
    found = dict(decoder.answers(prompts))
    assert decoder.work.prefix_tokens_prefilled >= 300
    assert max(map(len, prompts)) > base.model.config.sliding_window
    expected = [alone(base, one, NEW, penalty) for one in prompts]
    assert len(set(map(tuple, expected))) == len(prompts)
    for index, one in enumerate(expected):
        assert found[index].near_ties == 0, "rounding may decide here: choose another query"
        assert found[index].token_ids == one


def test_the_prefix_leaves_the_same_logits(
    base: LoadedModel, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
):
    """Not only the best token: all logits of the first position, within float32 rounding."""
    seen: list[torch.Tensor] = []
    decoder = Decoder(base, GreedyDecoding(1), len(prompts))
    start = DecodingBatch.start

    def watched(rows: DecodingBatch, asked: Sequence[list[int]]) -> torch.Tensor:
        logits = start(rows, asked)
        seen.append(logits.clone())
        return logits

    monkeypatch.setattr(DecodingBatch, "start", watched)
    dict(decoder.answers(prompts))
    assert decoder.work.prefix_tokens_prefilled >= 300
    (after_prefix,) = seen
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), prompts[index]))
    for row, index in enumerate(order):
        with torch.inference_mode():
            exact = base.model(torch.tensor([prompts[index]]), logits_to_keep=1).logits[0, -1]
        torch.testing.assert_close(after_prefix[:, row], exact, atol=2e-3, rtol=1e-4)
