"""What lies on disk: whole files and their sidecars, tables, stores; and what every stage needs to write them."""
