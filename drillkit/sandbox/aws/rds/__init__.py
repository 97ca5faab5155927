"""RDS as it behaves, with real PostgreSQL servers behind its instances and clusters."""
