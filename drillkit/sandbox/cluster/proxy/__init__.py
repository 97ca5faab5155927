"""The sandbox's load balancer and mesh, a process of its own; standard library only, started
by `child/boot.py`.
"""
