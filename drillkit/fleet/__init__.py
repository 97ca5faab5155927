"""One drill on many targets: a Kubernetes Job for each, in waves that stop at the first weakness.

`waves` decides what may begin, and knows nothing but names; `plan` is the fleet as it was begun;
`store` keeps it in the bucket of its runs, so that any machine can go on with it; `jobs` submits;
`controller` puts them together. What came of a target is read from its run's journal.
"""
