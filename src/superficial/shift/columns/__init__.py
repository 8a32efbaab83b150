"""Further numbers of every response token: a module each, with the statistics of its number."""
