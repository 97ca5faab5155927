"""Drills for Acme's status board, written with nothing but `drillkit.plugin`."""
