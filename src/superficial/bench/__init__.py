"""What `make bench` measures: each module prints one thing's speed."""
