"""Scores: tidy statistics of judgments, and the table of them."""
