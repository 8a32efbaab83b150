"""Models: fetched from a pinned source, converted once, described by a manifest, loaded for a device."""
