"""Does a response decline? Told by a list of phrases, and held against labels of a person. English only."""
