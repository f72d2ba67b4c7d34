"""A Ray cluster of several nodes on this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "4",
    "RAY_agent_register_timeout_ms": "300000",
    "OMP_NUM_THREADS": "1",
}


class Nodes:
    """Starts and loses nodes. Ports are given, so that a node does not wait for its slow helpers to tell theirs."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.address: str = ""
        self.nodes: list[Any] = []

    def add(self, cpus: int) -> Any:
        """A further node, with so many cores."""
        with ExitStack() as stack:
            names = (
                "metrics_agent_port",
                "dashboard_agent_listen_port",
                "metrics_export_port",
                "runtime_env_agent_port",
            )
            ports = {}
            for name in names:
                free = stack.enter_context(socket.socket())
                free.bind(("127.0.0.1", 0))
                ports[name] = free.getsockname()[1]
        node = self.cluster.add_node(
            wait=False, num_cpus=cpus, object_store_memory=80 * 2**20, include_dashboard=False, **ports
        )
        self.address = self.cluster.address
        self.nodes.append(node)
        return node

    def lose(self, node: Any) -> None:
        """End all processes of a node at once."""
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)

    def workers(self, title: str = "ray::RayTrainWorker") -> list[int]:
        """Processes of the cluster whose title begins so: Linux."""
        raylets = {node.all_processes["raylet"][0].process.pid for node in self.nodes}
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in raylets and (folder / "cmdline").read_text().startswith(title):
                    found.append(int(folder.name))
        return sorted(found)


@contextmanager
def cluster(*cpus: int) -> Iterator[Nodes]:
    """A cluster with a node for each number of cores; this process is connected to it, at the first."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, "PYTHONPATH")}
    os.environ.update({**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, paths))})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        import ray
        from ray.cluster_utils import Cluster

        nodes = Nodes(Cluster())
        try:
            for n in cpus:
                nodes.add(n)
            ray.init(address=nodes.address, log_to_driver=False, logging_level=40)
            yield nodes
        finally:
            ray.shutdown()
            nodes.cluster.shutdown()
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
