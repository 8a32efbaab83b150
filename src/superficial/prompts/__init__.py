"""Prompts: what a model reads before the first token of its response (paper, sections 2.1 and 3.2)."""
