"""Retrieval ICL: the nearest examples of a corpus for each instruction, without those that are the instruction."""
