"""The names of the definitions under which the shift is measured."""

HEADLINE = "headline"
RESCORED = ("two_bos", "aligned_context")  # variants that need a pass of the base of their own
ARGMAX = "aligned_argmax"
VARIANTS = (HEADLINE, ARGMAX, "top30_base", "top30_kl", "no_end", *RESCORED)
CANDIDATES = 30  # that the published code keeps of each side, its `--top_k`
