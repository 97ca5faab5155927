"""What the step kinds of Velero share."""
