"""Local servers that speak the vendors' protocols: a Kubernetes API with real pods, AWS, Velero.

Started as ``python -m drillkit.sandbox``; its endpoints are read from its output. Nothing in
drillkit imports it and it imports nothing of drillkit, so the clients and the servers they are
tested against cannot share a mistake.
"""
