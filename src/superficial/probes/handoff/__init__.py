"""Prefix handoff: the base goes on from the aligned model's first tokens."""
