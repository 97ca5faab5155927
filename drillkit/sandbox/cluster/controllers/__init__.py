"""The control loops of a cluster: synchronous, without I/O, driven by changes of the store and by
the clock given.
"""
