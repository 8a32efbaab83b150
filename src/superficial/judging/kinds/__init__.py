"""Kinds of judges beside those of `judging/judges/`: a module each, which a file of `config/judge/` names."""
