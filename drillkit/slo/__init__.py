"""What an objective says, read from a metrics server: counts over a window, budget left,
burn rate.
"""
