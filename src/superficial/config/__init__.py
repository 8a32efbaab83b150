"""The configuration: composed, validated, locked."""
