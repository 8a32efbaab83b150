"""Where results come from: the manifest of a results folder, and what no longer agrees with it."""
