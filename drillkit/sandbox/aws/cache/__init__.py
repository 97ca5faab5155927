"""ElastiCache as it behaves, with a small key-value server that speaks Redis's protocol behind
each group.
"""
