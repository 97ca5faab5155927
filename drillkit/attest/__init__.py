"""Proof that a run's files are what they were: a manifest, a signature, a chain across runs.

The journal chains its own lines. This room chains runs, so that a run that was removed leaves a
gap, and signs what stands in a run's folder.
"""
