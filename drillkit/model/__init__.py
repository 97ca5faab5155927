"""The nouns. Frozen, without I/O."""
