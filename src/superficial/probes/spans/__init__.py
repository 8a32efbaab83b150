"""Spans of bytes: the same text under two models that split it into different tokens."""
