"""Two kubelets behind the same controllers: one without processes, for tests on a virtual clock, and one with real ones."""
