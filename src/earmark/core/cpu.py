"""How many CPU cores this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def available_cores(root: Path = Path("/")) -> int:
    """CPU cores this process may use: those of its affinity, or fewer where a control group has a CPU limit.

    ``docker run --cpus``, Kubernetes' limits and systemd's ``CPUQuota`` set such limits.

    Args:
        root: the file system in which ``proc`` and the control groups are read.

    Returns:
        At least 1; a limit of 1.5 cores counts as 2.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, math.ceil(min(_cgroup_limits(root), default=cores))))


def _cgroup_limits(root: Path) -> Iterator[float]:
    """CPU limits, in cores, of this process's control groups and of the groups above them, version 1 and 2.

    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files,
    https://docs.kernel.org/scheduler/sched-bwc.html
    """
    try:
        groups = (root / "proc/self/cgroup").read_text("utf-8", "surrogateescape").splitlines()
        mounts = (root / "proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # not Linux
        return
    for line in groups:
        if line.count(":") < 2:
            continue
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        for top, mount_point in _cgroup_mounts(mounts, version=1 if controllers else 2):
            group = PurePosixPath(path)
            # In a container without a namespace of its own, only its own group is mounted.
            below = group.relative_to(top) if group.is_relative_to(top) and ".." not in group.parts else PurePosixPath()
            for each in (below, *below.parents):
                limit = _limit(root / mount_point.lstrip("/") / each)
                if limit is not None:
                    yield limit


def _cgroup_mounts(mounts: list[str], version: int) -> Iterator[tuple[str, str]]:
    """The group at the top, and the mount point, of every hierarchy that can limit CPU time (proc(5), mountinfo)."""
    for line in mounts:
        fields, _, system = line.partition(" - ")
        places, kinds = fields.split(" "), system.split(" ", 2)
        if len(places) < 5 or len(kinds) < 3:
            continue
        if kinds[0] == "cgroup2" if version == 2 else kinds[0] == "cgroup" and "cpu" in kinds[2].split(","):
            yield places[3], places[4]


def _limit(group: Path) -> float | None:
    """The CPU limit of one control group, in cores; None where it has none, or none that can be read."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text("ascii").split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text("ascii")
            period = (group / "cpu.cfs_period_us").read_text("ascii")
        cores = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # ValueError: "max", or text of another kind
        return None
    return cores if cores > 0 else None
