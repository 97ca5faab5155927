"""The heartbeat whose newest beat in restored data tells up to when that data reaches, and
its installation.
"""
