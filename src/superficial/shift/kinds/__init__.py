"""Kinds of response tokens: style, safety, content, number, punctuation, function word, end of turn. English only."""
