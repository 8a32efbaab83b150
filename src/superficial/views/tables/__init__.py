"""The targets `tables/NAME`, each as CSV, Markdown and LaTeX."""
