"""The shift browser: static pages, opened from disk, that show both models' candidates at every response token."""
