"""What answers look like, and what judges say of them."""
