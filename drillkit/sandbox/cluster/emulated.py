"""What a run against the sandbox proves and what it only plays; its reports say so."""

from __future__ import annotations

REAL = (
    "Containers are operating-system processes; a killed pod's requests in flight are lost.",
    "Requests pass a load-balancing proxy over TCP; latencies and failures are measured, "
    "not computed.",
    "The Kubernetes API is served over HTTP and TLS; watches, conflicts, evictions and budgets "
    "are Kubernetes'.",
    "A real Prometheus scrapes pods and proxy when one was asked for.",
)

EMULATED = (
    "Nodes and zones are names: all pods run on this machine; a drained node frees nothing.",
    "Images are one small HTTP server, whatever they are called; only sandbox/exec, busybox, "
    "alpine and python run their command, on this machine.",
    "CPU and memory limits are not enforced; pods are not isolated from each other or from "
    "this machine.",
    "Scheduling, rollouts and garbage collection react within milliseconds; endpoint changes reach "
    "the proxy after 250 ms; restart back-off begins at 1 s instead of 10 s.",
    "NetworkPolicies are kept for egress alone, and only by the commands of these images: one that "
    "may reach no address runs without a network where this machine can do that (unshare --net), "
    "of one that may reach some only nc keeps to them.",
    "NetworkChaos delays act once per request and direction, as on a connection kept alive; lost "
    "packets cost TCP's retransmission times; duplicates and bandwidth have no effect.",
    "StressChaos burns nothing: it makes the pod's answers slower and adds to the usage that "
    "kubectl top shows.",
    "DNSChaos fails calls between services at the proxy; nothing else resolves names.",
    "VirtualService faults act on every request for the host, from inside and outside; routes, "
    "weights and retries are ignored.",
    "LitmusChaos experiments run in a small operator of the sandbox, without runner pods: "
    "pod-delete and pod-network-latency.",
    "Volumes hold nothing; services outside the shop are whatever the small HTTP server answers.",
)
