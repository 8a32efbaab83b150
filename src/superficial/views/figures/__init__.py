"""Figures: each module draws one, from tidy tables only, and returns the table that was drawn."""
