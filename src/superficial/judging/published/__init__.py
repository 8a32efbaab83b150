"""Responses and judgments that the authors of the paper published, in their own file formats."""
