"""Executes a Drill into a Journal."""
