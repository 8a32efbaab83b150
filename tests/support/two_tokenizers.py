"""Models with two kinds of tokenizer, odd texts, and responses that hold them."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from support.tiny import END, context_ids

from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import LocalSource, ModelConfig, Nothing, PromptConfig, RuntimeConfig, ScoreStage
from superficial.models.load import LoadedModel, load_model
from superficial.models.stage import run as fetch
from superficial.probes.spans import stage
from superficial.probes.spans.byte_pair import run as byte_pair
from superficial.probes.spans.spelling import Spelling
from superficial.shift.pair.vocabulary import Vocabulary

RUNTIME = RuntimeConfig(device="cpu", generate_batch=2, score_tokens=200, position_chunk=16)
ZERO_SHOT = PromptConfig(kind="completion", template="# Query:\n```{instruction}```\n\n# Answer:\n```\n")
CHAT = PromptConfig(kind="chat")
TEXTS = (
    "Keep many plants alive!",
    "  two spaces, then a list:\n\n- do things\n- you can\n",
    " leading space, trailing space ",
    "🙂 an emoji, a family 👩‍👩‍👧, a flag 🇪🇺",
    "e\u0301 combining, x\u0336 struck, \u0928\u093f Devanagari, עִבְרִית",
    "def f(x):\n\tif x != 1:\n        return {'a': x**2}  # ½ ≤ π\r\n",
    "a <eos> that is text, and <|end|>, [INST], <0x41>",
    "\u200bzero width, \ufeffa BOM, \x00 and \x07",
    "日本語の文章、Привет мир, ÇA VA",
)
Models = dict[str, Path]


def fetched(folder: Path, tiny_models: Path) -> Models:
    """Manifests: `base` and `aligned` share a byte-level tokenizer, `pieces` has another, `other` other merges."""
    found = {name: folder / name / "manifest.json" for name in ("base", "aligned", "pieces", "other")}
    for name, out in found.items():
        source = LocalSource(kind="local", path=str(tiny_models / name))
        fetch(ModelConfig(name=name, title="t", licence="none", source=source), RUNTIME, out=out)
    return found


@dataclass
class Study:
    """Responses with odd text: whole ones with an end of turn, one that was cut off, one that pieces cannot read."""

    folder: Path
    manifests: Models
    loaded: dict[str, LoadedModel]
    data: Path
    responses: Path

    @property
    def answers(self) -> pd.DataFrame:
        return read_table(self.responses)

    def spans(self, base: str, name: str, runtime: RuntimeConfig = RUNTIME) -> pd.DataFrame:
        """The table of the pair of `base` and the aligned model, in a folder of results of its own."""
        results = self.folder / f"{base}-{name}"
        sides = {"base": self.manifests[base], "aligned": self.manifests["aligned"]}
        report, out = results / "pairs/p.bytes.json", results / "spans/d/p/zero_shot.parquet"
        byte_pair(Nothing(), runtime, **sides, out=report)
        asked = {"pair": report, **sides, "data": self.data, "responses": self.responses}
        stage.run(ScoreStage(context=ZERO_SHOT), runtime, **asked, out=out)
        return read_table(out)

    @classmethod
    def of(cls, folder: Path, models: Models) -> "Study":
        """Answers of the aligned model, with its prompts."""
        loaded = {name: load_model(manifest, "cpu") for name, manifest in models.items()}
        tokenizer, queries = (
            loaded["aligned"].tokenizer,
            [f"How do I keep {index} plants?" for index in range(len(TEXTS) + 4)],
        )
        responses = [[*tokenizer(text, add_special_tokens=False).input_ids, END] for text in TEXTS[:6]]
        responses += [Spelling(Vocabulary.read(models["aligned"])).read(text) or [] for text in TEXTS[6:]]
        cut_off = tokenizer("keep 🙂", add_special_tokens=False).input_ids[:-1]  # within the emoji
        responses += [cut_off, tokenizer("a ▁ b", add_special_tokens=False).input_ids, [END]]
        responses.append(agreeable(loaded, queries[-1], 12))
        names = [f"e{index}" for index in range(len(responses))]
        data = pd.DataFrame({"id": names, "instruction": queries, "turns": [[] for _ in names]})
        answers = pd.DataFrame({"id": names, "token_ids": responses, "earlier_answers": [[] for _ in names]})
        answers["prompt_ids"] = [context_ids(tokenizer, CHAT, query) for query in queries]
        write_table(data, folder / "data.parquet")
        write_table(answers, folder / "responses.parquet")
        return cls(folder, models, loaded, folder / "data.parquet", folder / "responses.parquet")


def agreeable(loaded: dict[str, LoadedModel], query: str, length: int) -> list[int]:
    """Tokens of the aligned model that it and `pieces` both find probable, so that some ranks are low on both sides."""
    spelled = {
        name: Spelling(Vocabulary.read(Path(loaded[name].tokenizer.name_or_path) / "manifest.json"))
        for name in ("aligned", "pieces")
    }
    own, other = (spelled[name].keys for name in ("aligned", "pieces"))
    both = [key for key in own.keys() & other.keys() if isinstance(key, bytes) and key.isascii()]
    asked = context_ids(loaded["aligned"].tokenizer, CHAT, query)
    read = context_ids(loaded["pieces"].tokenizer, ZERO_SHOT, query)
    found: list[int] = []
    for _ in range(length):
        text = b"".join(spelled["aligned"].written(found)).decode()
        scores = torch.zeros(len(both))
        for name, ids, keys in (
            ("aligned", asked + found, own),
            ("pieces", read + (spelled["pieces"].read(text) or []), other),
        ):
            with torch.inference_mode():
                after = loaded[name].model(torch.tensor([ids])).logits[0, -1].log_softmax(dim=0)
            scores += after[[keys[key] for key in both]]
        found.append(own[both[int(scores.argmax())]])
    return found
