"""Real PostgreSQL servers for the sandbox: found, started unprivileged, archived, restored, never
left behind.
"""
