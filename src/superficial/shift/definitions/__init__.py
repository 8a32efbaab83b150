"""What each definition of the token-shift measures is worth: the paper's, and those of its published code."""
