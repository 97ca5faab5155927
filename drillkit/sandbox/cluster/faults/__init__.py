"""Chaos Mesh, Istio and LitmusChaos as controllers without I/O; what they inject becomes rules for
the proxy.
"""
