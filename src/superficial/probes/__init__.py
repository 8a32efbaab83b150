"""Analyses past the paper."""
