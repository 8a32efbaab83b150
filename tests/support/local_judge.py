"""The configuration of a local judge, with the texts that this project ships."""

from support.project import ROOT

from superficial.config.schema.judge import LocalJudge, PromptFiles

FOLDER = ROOT / "resources/judging"
QUESTIONS = FOLDER / "local_questions.yaml"


def local_judge(max_tokens: int = 0) -> LocalJudge:
    files = {name: str(FOLDER / f"local_{name.split('_')[0]}.txt") for name in ("pairwise_regular", "pairwise_safety")}
    files |= {name: str(FOLDER / f"local_{name}.txt") for name in ("regular", "safety")}
    return LocalJudge(
        name="tiny", title="tiny", kind="local_probabilities", model="judge", questions=str(QUESTIONS),
        prompt_files=PromptFiles.model_validate(files), max_tokens=max_tokens,
    )  # fmt: skip
