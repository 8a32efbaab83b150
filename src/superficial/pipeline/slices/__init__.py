"""What each stage reads of the configuration."""
