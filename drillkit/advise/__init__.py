"""What is fragile in a cluster, its databases and its backups before anything is broken: read
only, one small function per rule.
"""
