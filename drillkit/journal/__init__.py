"""Durable append and read of a run's journal."""
