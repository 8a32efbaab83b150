"""Base and aligned model in lock-step: one decodes, and where a rule says so the other one's token is taken."""
