"""Where models lie: on mocked cards, by what is free there."""

from pathlib import Path

import pytest
import torch
from accelerate import infer_auto_device_map
from support.cards import Cards
from support.relatives import relative
from transformers import LlamaConfig, LlamaForCausalLM

from superficial.artifacts.errors import UserError
from superficial.models.load import load_model, load_models
from superficial.models.placement import Place, place, usable

GB = 1e9
SMALL, LARGE = 13.5 * GB, 64 * GB  # weights of a model of 7B and of 32B in half precision


def cards_of(places: list[Place]) -> list[list[int]]:
    return [one.cards for one in places]


def test_a_model_goes_where_most_is_free(monkeypatch: pytest.MonkeyPatch):
    Cards([80 * GB] * 3, taken=[70 * GB, 5 * GB, 20 * GB]).show(monkeypatch)
    (found,) = place([SMALL], "auto", "m")
    assert found == Place(torch.device("cuda", 1))
    assert found.arguments == {"device_map": {"": torch.device("cuda", 1)}}
    (named,) = place([SMALL], "cuda:0", "m")  # whoever names a card gets it
    assert named.cards == [0]


def test_of_equal_cards_the_first_is_taken(monkeypatch: pytest.MonkeyPatch):
    Cards([80 * GB] * 2).show(monkeypatch)
    assert cards_of(place([SMALL], "auto", "m")) == [[0]]


@pytest.mark.parametrize(
    ("totals", "weights", "expected"),
    [
        ([80], [SMALL, SMALL], [[0], [0]]),  # both on one
        ([40, 40], [26 * GB, 26 * GB], [[0], [1]]),  # 13B
        ([80, 24], [SMALL, 2 * GB], [[0], [0]]),  # the emptiest is still the first
        ([80, 80, 80], [LARGE, LARGE], [[0, 1, 2], [0, 1, 2]]),  # 32B: no card has room for one with its work
        ([80, 80], [138 * GB], [[0, 1]]),
    ],
)
def test_two_models_share_what_is_there(
    totals: list[int], weights: list[float], expected: list[list[int]], monkeypatch: pytest.MonkeyPatch
):
    Cards([GB * total for total in totals]).show(monkeypatch)
    found = place(weights, "auto", "a and b")
    assert cards_of(found) == expected
    for card, total in enumerate(totals):  # nobody is promised what another one was
        promised = sum(one.limits.get(card, 0) for one in found)
        assert promised <= 0.9 * GB * total
    for one, size in zip(found, weights, strict=True):
        if one.limits:
            assert sum(one.limits.values()) > size
            assert one.arguments == {"device_map": "sequential", "max_memory": one.limits}


@pytest.mark.parametrize(
    ("room", "models"), [([1, 1], 1), ([0.6, 0.6], 1), ([1.2, 0.4], 1), ([0.4, 1.2], 1), ([0.5] * 3, 1), ([1, 1, 1], 2)]
)
def test_every_layer_finds_its_card(room: list[float], models: int, monkeypatch: pytest.MonkeyPatch):
    """Rooms are multiples of the weights, cards unequal or not; nothing is left for main memory or the disk."""
    sizes = {"hidden_size": 512, "intermediate_size": 1024, "num_attention_heads": 8, "vocab_size": 8000}
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**sizes, num_hidden_layers=24))
    weights = sum(one.numel() * one.itemsize for one in model.parameters())
    Cards([weights * one / 0.9 for one in room]).show(monkeypatch)
    loads = [0.0] * len(room)
    for one in place([weights] * models, "auto", "m"):
        assert one.limits
        with monkeypatch.context() as patch:
            patch.setattr(torch.cuda, "is_available", lambda: False)
            found = infer_auto_device_map(model, max_memory=one.limits, no_split_module_classes=model._no_split_modules)
        assert set(found.values()) <= set(one.cards)
        for name, card in found.items():
            loads[card] += sum(part.numel() * part.itemsize for part in model.get_submodule(name).parameters())
    share = models / sum(room)
    for load, there in zip(loads, room, strict=True):
        assert load < weights * there  # and most of them leave in proportion
        assert load < weights * there * (share + 0.25)


def test_a_full_card_gets_no_layers(monkeypatch: pytest.MonkeyPatch):
    Cards([80 * GB] * 3, taken=[79 * GB, 0, 0]).show(monkeypatch)
    (found,) = place([120 * GB], "auto", "m")
    assert found.cards == [1, 2]
    assert found.device == torch.device("cuda", 1)


@pytest.mark.fault("models", "no cards hold it", "one line that names file, key and remedy; exit code 2")
def test_what_no_cards_hold_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch):
    Cards([24 * GB] * 2).show(monkeypatch)
    with pytest.raises(UserError, match=r"a and b: 52\.0 GB of weights, and the cards have room for 41\.9 GB"):
        place([26 * GB, 26 * GB], "auto", "a and b")


def test_an_idle_card_always_says_the_same(monkeypatch: pytest.MonkeyPatch):
    """In half precision batches follow from it, and a run that goes on must find the same."""
    cards = Cards([80 * GB], taken=[0.5 * GB]).show(monkeypatch)
    idle = usable(0)
    cards.allocated[0] = 30 * GB
    assert usable(0) == idle == 72 * GB
    cards.taken[0] = 40 * GB
    assert usable(0) < 0.51 * 80 * GB


def test_without_cards_nothing_is_laid_out():
    assert place([SMALL, LARGE], "cpu", "m") == 2 * [Place(torch.device("cpu"))]
    assert place([SMALL], "cpu", "m")[0].arguments == {}


def test_loaded_models_know_where_they_lie(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Weights stay where they are; what they take is known from the folder."""
    manifests = [relative(tiny_models / name, tmp_path / name) for name in ("base", "aligned")]
    here = load_model(manifests[0], "cpu")
    assert here.cards == ()
    Cards([2e6, 1e6]).show(monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    pair = load_models(manifests, "auto")
    assert {one.device.type for one in pair} == {"cuda"}
    assert all(one.cards for one in pair)
    for one in pair:
        assert one.footprint is not None
        assert one.footprint.weights == one.manifest["parameters"] * 2  # in bfloat16
    assert here.footprint is not None
    assert here.footprint.weights == sum(part.numel() for part in set(here.model.parameters())) * 4
    config = here.model.config
    assert here.footprint.kept == 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 4
