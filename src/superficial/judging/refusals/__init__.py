"""Does a response decline? A list of phrases decides, and is compared with labels of a person. English only."""
