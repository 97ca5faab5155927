"""What runs inside the cluster's child processes; standard library only, started
through `boot.py`.
"""
