"""ElastiCache as it behaves, with a Redis (fakeredis) behind each group."""
