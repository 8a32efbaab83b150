"""Shift-aware prompt search: the examples that bring the base nearest to the aligned model (past the paper)."""
