"""Statistics of the token table: tidy tables with intervals from a bootstrap over examples."""
