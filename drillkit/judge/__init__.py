"""Judgement, pure: a history in, a verdict out. No clock, no network, no files."""

from drillkit.judge.judging import judge

__all__ = ["judge"]
