"""Sentences and notes that a figure and a table say alike."""
