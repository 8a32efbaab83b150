"""Judging responses: rubrics, judges, what they answered, and how far they can be trusted (paper, section 4)."""
