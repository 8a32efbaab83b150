"""How large the things are that a plan depends on: models, instructions, prompts, answers.

All of it follows from the configuration; where a finished run or a model's folder is at hand, that is taken instead.
"""

import json
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod
from pathlib import Path
from statistics import mean

import pyarrow.compute as pc
import pyarrow.parquet as pq

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import sidecar_of
from superficial.config.schema import Architecture, LocalCorpus, LocalSource, LoraSource, ModelConfig
from superficial.data.readers import PACKED, read_instructions, read_json_list
from superficial.inference.server.budget import TOKENS_PER_CHARACTER
from superficial.pipeline.run import Run
from superficial.pipeline.systems import PUBLISHED as PUBLISHED_SYSTEM
from superficial.pipeline.systems import published_outputs
from superficial.prompts.pool import chosen_examples, read_pool, read_text

CHAT_TEMPLATE = 100  # characters that a chat template puts around an instruction
NEIGHBOUR = 600  # characters of an example of a corpus that is not here
# Characters of the paper's prompts, which are fetched by the run (see prompts/published.py).
PUBLISHED = {
    "inst_1k.txt": 4278,
    "inst_2k.txt": 7712,
    "inst_1shot.txt": 2338,
    "inst_only.txt": 666,
    "basic_icl.txt": 594,
}
SMALL_VOCABULARY = 10_000  # below it, a token is taken to be one character


@dataclass(frozen=True)
class InstructionCounts:
    """Those of the dataset, the first `limit` of them."""

    regular: int
    safety: int
    queries: int  # turns of dialogues counted one by one
    characters: float  # of a query, mean

    @property
    def count(self) -> int:
        """Both categories."""
        return self.regular + self.safety


@dataclass(frozen=True)
class TokenCount:
    """Of one prompt or answer."""

    mean: float
    finished: int = 0  # finished ones that the mean is of; 0: it is an estimate, or for answers the upper bound


class Sizes:
    """Sizes of one run; `results` is where its finished artifacts lie."""

    def __init__(self, run: Run, results: Path) -> None:
        self.run, self._results = run, results
        self.architecture = cache(self._architecture)
        self.shared, self.prompt, self.answer = cache(self._shared), cache(self._prompt), cache(self._answer)

    @cached_property
    def instructions(self) -> InstructionCounts:
        """From the file where it is here, else as the configuration says."""
        cfg, path = self.run.settings.dataset, self.run.instructions
        if path is not None:
            read = read_instructions(Path(path))[: cfg.limit]
            turns = [one.turns or [one.instruction] for one in read]
            regular = sum(one.category == "regular" for one in read)
            length = mean(len(turn) for those in turns for turn in those)
            return InstructionCounts(regular, len(read) - regular, sum(map(len, turns)), length)
        if cfg.size is None:
            raise UserError(
                "its file is not here, and nothing says how many instructions it holds",
                where=f"config/dataset/{cfg.name}.yaml",
                remedy="give size: {regular: N, safety: N, characters: N}",
            )
        regular = min(cfg.size.regular, cfg.limit or cfg.size.regular)  # the regular ones come first
        safety = min(cfg.size.safety, cfg.limit - regular if cfg.limit else cfg.size.safety)
        return InstructionCounts(regular, safety, regular + safety, cfg.size.characters)

    def tokens(self, characters: float, model: str) -> float:
        """Tokens of a text in the vocabulary of a model."""
        return characters * (1.0 if self.architecture(model).vocabulary < SMALL_VOCABULARY else TOKENS_PER_CHARACTER)

    def _architecture(self, name: str) -> Architecture:
        model = self.run.model(name)
        found = model.architecture or self._from_folder(model)
        if found is None and isinstance(model.source, LoraSource):
            return self._architecture(model.source.base.name)
        if found is None:
            raise UserError(
                "nothing says how large it is, and it is not fetched yet",
                where=f"model {name}",
                remedy="give its architecture, as config/model/ does: +pair.base.architecture={parameters: ...}",
            )
        return found

    def _from_folder(self, model: ModelConfig) -> Architecture | None:
        folder = self._results / "models" / model.name
        if not (folder / "config.json").is_file() and isinstance(model.source, LocalSource):
            folder = Path(model.source.path)
        if not (folder / "config.json").is_file():
            return None
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = config.get("text_config", config)
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        tensors = {name: count for file in folder.glob("*.safetensors") for name, count in _tensors(file).items()}
        return Architecture(
            parameters=sum(tensors.values()),
            layers=config["num_hidden_layers"],
            hidden=hidden,
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or hidden // heads,
            vocabulary=config["vocab_size"],
            tied=not any("lm_head" in name for name in tensors),
        )

    def _shared(self, method: str, model: str) -> float:
        """Tokens that all prompts of a method begin with: system text and fixed examples."""
        prompt = self.run.method(method).prompt
        text = read_text(Path(prompt.system), "prompt.system") if prompt.system else ""
        around = len((prompt.template or "") + prompt.closing)
        examples = chosen_examples(prompt.examples, Path(prompt.examples.file)) if prompt.examples else []
        shown = sum(len(one.instruction) + len(one.response) + around for one in examples)
        return self.tokens(len(text) + shown + PUBLISHED.get(prompt.published or "", 0), model)

    def pool(self, method: str, model: str) -> list[float]:
        """Tokens of every example that the method could show; none where it chooses from no pool."""
        prompt = self.run.method(method).prompt
        if prompt.examples is None:
            return []
        cfg = prompt.examples
        every = cfg.model_copy(update={"ids": list(read_pool(Path(cfg.file)))})
        around = len((prompt.template or "") + prompt.closing)
        examples = chosen_examples(every, Path(cfg.file))
        return [self.tokens(len(one.instruction) + len(one.response) + around, model) for one in examples]

    def _prompt(self, method: str, model: str) -> TokenCount:
        """A whole prompt: what is shared, the neighbours, the instruction in its template."""
        known = self._finished(model, method, "prompt_ids")
        if known is not None:
            return known
        prompt = self.run.method(method).prompt
        around = len(prompt.template) if prompt.template else CHAT_TEMPLATE
        own = self.instructions.characters + around
        if prompt.neighbours is not None:
            own += prompt.neighbours.k * (self._neighbour(prompt.neighbours.index) + around + len(prompt.closing))
        return TokenCount(self.shared(method, model) + self.tokens(own, model))

    def _neighbour(self, index: str) -> float:
        corpus = self.run.index(index).corpus
        path = Path(corpus.path) if isinstance(corpus, LocalCorpus) else None
        if path is None or path.suffix in (".parquet", *PACKED) or not path.is_file():
            return NEIGHBOUR
        return mean(len(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())

    def _answer(self, model: str, method: str) -> TokenCount:
        """The mean of finished answers of this model by this method, else the upper bound."""
        if model == PUBLISHED_SYSTEM:
            return self._published(method)
        return self._finished(model, method, "token_ids") or TokenCount(self.run.settings.generate.max_new_tokens)

    def _published(self, system: str) -> TokenCount:
        """Answers in published files; they have no tokens yet, and hardly two judges split them alike."""
        rows = [row for path in published_outputs(self.run)[system] for row in read_json_list(path)]
        texts = [str(row.get("output", "")) for row in rows if isinstance(row, dict)]
        return TokenCount(TOKENS_PER_CHARACTER * mean(map(len, texts)) if texts else 0.0, len(texts))

    def _finished(self, model: str, method: str, column: str) -> TokenCount | None:
        """Mean length of a column of the responses that are there, if they were asked as this run asks."""
        file = self._results / "responses" / self.run.settings.dataset.name / model / f"{method}.parquet"
        sidecar = sidecar_of(file)
        if not file.is_file() or not sidecar.is_file():
            return None
        made = json.loads(sidecar.read_text(encoding="utf-8"))["config"]
        now = json.loads(self.run.slice("generate", method))
        most = now["max_new_tokens"]
        # Answers that were cut shorter than this run would cut them say too little.
        if made["max_new_tokens"] < most or made | {"max_new_tokens": most} != now:
            return None
        lengths = pc.list_value_length(pq.read_table(file, columns=[column])[column]).to_pylist()
        return TokenCount(mean(min(one, most) if column == "token_ids" else one for one in lengths), len(lengths))


def _tensors(file: Path) -> dict[str, int]:
    """Numbers of each tensor in a safetensors file, from its header: eight bytes of length, then JSON."""
    with open(file, "rb") as handle:
        header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
    return {name: prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"}
