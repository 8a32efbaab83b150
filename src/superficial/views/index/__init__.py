"""The page that a run ends with: everything that was made, with captions. Static, opened from disk."""
