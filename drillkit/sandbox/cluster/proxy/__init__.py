"""The load balancer and mesh of the sandbox, a process of its own; standard library only, started through `child/boot.py`."""
