"""The stages of training between the base and the aligned model: which of them shifts what."""
