"""An auditor's matrix: which runs support which control, and what is missing.

A run supports a control; nothing here says that anybody is compliant.
"""
