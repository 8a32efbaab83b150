"""Names of the two ends of a ladder; what lies between goes by the names of the pair's stages."""

BASE = "base"
ALIGNED = "aligned"
