"""`tables/definitions` on tiny models, from the command line to the three files."""

import pandas as pd
from support.project import Project

from superficial.shift.definitions.names import VARIANTS


def test_the_table_of_definitions(project: Project):
    project.add_pair("again", "tiny_base", "tiny_aligned")
    pairs = ("pairs=[tiny,again]",)
    project.made("tables/definitions", "figures/shift_ratio", hydra=pairs)
    results = project.folder / "results"
    table = pd.read_csv(results / "tables/definitions.csv").set_index(["pair", "variant"])
    assert table.index.tolist() == [(pair, name) for pair in ("tiny", "again") for name in VARIANTS]
    rows = table.loc["tiny"]
    pd.testing.assert_frame_equal(rows, table.loc["again"])
    ratios = pd.read_csv(results / "stats/tiny/tiny/zero_shot/ratios.csv").query("level == 'pooled'")
    for row in ratios.itertuples():
        shown = rows.loc["headline", [row.category, f"{row.category}_low", f"{row.category}_high"]]
        assert shown.tolist() == [row.share, row.low, row.high]
    summary = pd.read_csv(results / "stats/tiny/tiny/zero_shot/summary.csv").set_index("measure")
    for measure, name in {"kl": "kl_aligned_base", "base_prob": "base_prob"}.items():
        shown = rows.loc["headline", [measure, f"{measure}_low", f"{measure}_high"]]
        assert shown.tolist() == summary.loc[name, ["value", "low", "high"]].tolist()
    answers = pd.read_parquet(results / "responses/tiny/tiny_aligned/aligned.parquet")
    stopped = int((answers["finish_reason"] == "eos").sum())
    assert rows.loc["headline", "tokens"] - rows.loc["no_end", "tokens"] == stopped
    # Each context was really another one, and under the aligned model's own the base is nearer to it.
    assert rows.loc["two_bos", "kl_difference"] != 0
    assert rows.loc["aligned_context", "kl_difference"] < 0
    assert rows.loc["top30_base", "base_prob_difference"] > 0
    for suffix in ("md", "tex"):
        text = (results / f"tables/definitions.{suffix}").read_text().replace(r"\\", " ")  # LaTeX wraps long cells
        assert text.count("two BOS before the base's context") == 2
    assert (results / "tables/definitions.csv.meta.json").is_file()
    assert project.planned("tables/definitions", hydra=pairs) == set()
    # What each override reruns: the aligned model's own context does not depend on the base's template.
    assert project.planned("tables/definitions", hydra=(*pairs, "stats.seed=1")) == {"tables/definitions"}
    template = "context.prompt.template='Q: {instruction} A:'"
    below = {"score", "rescore", "definitions", "tables/definitions"}
    assert project.planned("tables/definitions", hydra=(*pairs, template)) == below
    assert not {"rescore", "definitions", "tables/definitions"} & project.planned("figures/all", hydra=pairs)
