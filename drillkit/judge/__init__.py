"""Judgement, pure: a history in, a verdict out."""
