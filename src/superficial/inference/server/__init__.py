"""OpenAI-compatible servers: asked with patience, within a budget, and never twice for one answer."""
