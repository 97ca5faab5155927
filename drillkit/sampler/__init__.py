"""SLIs during a run, in a process of their own, so that nothing the run does delays a probe."""
