"""Token distribution shift: two models over the same response tokens."""
