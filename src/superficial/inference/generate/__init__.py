"""Greedy decoding of many prompts that share a prefix."""
