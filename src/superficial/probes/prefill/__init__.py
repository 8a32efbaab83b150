"""Prefill: how models go on when the first tokens of their answer are given."""
