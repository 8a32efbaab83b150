"""Engines beside those of `inference/generate/`: a module each, which a file of `config/engine/` names."""
