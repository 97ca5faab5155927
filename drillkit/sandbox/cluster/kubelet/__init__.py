"""Two kubelets behind the same controllers: one without processes, for a virtual clock, and one
with real ones.
"""
