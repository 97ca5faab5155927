"""A Kubernetes API: a store without I/O (`store.Store`) and the HTTPS server that exposes
it (`server`).
"""
