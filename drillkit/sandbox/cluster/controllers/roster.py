"""The controllers of a cluster, in the order in which a round runs them."""

from __future__ import annotations

import random as random_module

from drillkit.sandbox.cluster.controllers.base import Controller
from drillkit.sandbox.cluster.controllers.budget import Budgets
from drillkit.sandbox.cluster.controllers.cronjob import CronJobs
from drillkit.sandbox.cluster.controllers.daemonset import DaemonSets
from drillkit.sandbox.cluster.controllers.deployment import Deployments
from drillkit.sandbox.cluster.controllers.job import Jobs, OrphanedPods
from drillkit.sandbox.cluster.controllers.namespaces import DefaultAccounts, RootAuthorities
from drillkit.sandbox.cluster.controllers.nodes import NodeTaints
from drillkit.sandbox.cluster.controllers.replicaset import ReplicaSets
from drillkit.sandbox.cluster.controllers.scheduler import Scheduler
from drillkit.sandbox.cluster.controllers.services import EndpointLists, LoadBalancers
from drillkit.sandbox.cluster.controllers.statefulset import StatefulSets
from drillkit.sandbox.cluster.controllers.volumes import Claims, Volumes
from drillkit.sandbox.cluster.faults.chaosmesh import chaos_mesh_controllers
from drillkit.sandbox.cluster.faults.litmus import Litmus


def all_controllers(random: random_module.Random, litmus: Litmus) -> list[Controller]:
    """Fresh controllers; `random` makes every choice that Kubernetes or Chaos Mesh leaves
    to chance.
    """
    return [
        DefaultAccounts(),
        RootAuthorities(),
        NodeTaints(),
        CronJobs(),
        Jobs(),
        OrphanedPods(),
        Deployments(),
        ReplicaSets(),
        StatefulSets(),
        DaemonSets(),
        Claims(),
        Volumes(),
        Scheduler(),
        LoadBalancers(),
        EndpointLists(),
        Budgets(),
        *chaos_mesh_controllers(random),
        litmus,
    ]
