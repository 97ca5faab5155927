"""Faults and probes for Chaos Toolkit whose effects are undone, whose targets are exact, and whose
ends are measured.

Use them in an experiment as any Python activity (`module: drillkit.faults.pods`,
`func: delete_pods`). Under `drillkit run` their undos stand in the run's journal; under plain
`chaos run` in a local one, which the rollback `drillkit.faults.undo.undo_all` applies (as does the
end of the process, and `drillkit recover` after a crash).

Namespaces are always explicit, zero matches are an error, and the target's caps hold.
"""
