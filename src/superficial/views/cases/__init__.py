"""Pages of cases: where a judge saw two systems differ most, with what both said and why. Static, opened from disk."""
