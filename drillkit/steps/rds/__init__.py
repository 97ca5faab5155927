"""What the kinds of RDS and Aurora share."""
