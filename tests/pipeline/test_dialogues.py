"""Dialogues through the workflow: each turn is answered with the turns before it, by every method."""

import json

import pandas as pd
from support.project import Project
from support.tiny import make_tokenizer

FIRST, SECOND, THIRD = "How do I keep a plant alive?", "Is much water good?", "And a list of the things?"
DIALOGUES = [
    {"id": "three", "instruction": FIRST, "turns": [FIRST, SECOND, THIRD]},
    {"id": "two", "instruction": SECOND, "turns": [SECOND, THIRD]},
    {"id": "one", "instruction": THIRD},
    {"id": "harm", "instruction": FIRST, "category": "safety"},
]


def test_a_dialogue_is_answered_turn_by_turn_and_its_last_answer_compared(project: Project):
    path = project.folder / "talks.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in DIALOGUES))
    hydra = ("dataset.path=talks.jsonl", "dataset.name=talks", "figure.min_examples=2", "generate.max_new_tokens=8")
    methods = ("tiny_base/zero_shot", "tiny_base/urial_k3", "tiny_aligned/aligned")
    made = [f"results/responses/talks/{name}.parquet" for name in methods]
    project.made("figures/shift_ratio", *made, hydra=hydra)
    tokenizer = make_tokenizer(chat=True)
    for file in made:
        table = pd.read_parquet(project.folder / file).set_index("id")
        assert table.index.tolist() == [one["id"] for one in DIALOGUES]
        for one in DIALOGUES:
            row = table.loc[one["id"]]
            turns, earlier = one.get("turns", [one["instruction"]]), list(row["earlier_answers"])
            assert len(earlier) == len(turns) - 1
            prompt, at = tokenizer.decode(row["prompt_ids"]), -1
            for said in [part for pair in zip(turns, earlier, strict=False) for part in pair if part] + [turns[-1]]:
                assert (at := prompt.find(said, at + 1)) > 0, (file, one["id"], said)
    # The comparison sees the last answer under the dialogue that led to it: the aligned model's own first choices.
    shifts = pd.read_parquet(project.folder / "results/shifts/talks/tiny/zero_shot.parquet")
    answers = pd.read_parquet(project.folder / made[-1])
    assert len(shifts) == answers["token_ids"].map(len).sum()
    assert (shifts["aligned_rank"] == 1).mean() >= 0.99
