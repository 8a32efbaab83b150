"""Superficial: how superficial is the alignment of a language model, measured token by token."""
