"""The pair: which tokens of two models are the same, and whether a comparison over them is exact."""
