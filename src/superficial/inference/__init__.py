"""Running a model: decoding, teacher forcing, prefixes, servers."""
