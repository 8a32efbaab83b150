"""Instructions: read from any of five formats, checked, and kept in one."""
