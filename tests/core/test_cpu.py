"""Cores that a process may use, with the control groups of made-up systems."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from earmark.core.cpu import available_cores

V2_MOUNT = "30 24 0:26 {top} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "31 24 0:27 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:28 {top} /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "33 31 0:29 {top} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
)


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def system(root: Path, group: str, mounts: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": group, "proc/self/mountinfo": mounts, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("25000 50000", 1),
        ("", 8),
        ("200000", 8),
        ("two cores", 8),
        ("200000 100000 3", 8),
        ("200000 0", 8),
        ("-1 100000", 8),
    ],
)
def test_docker_cpus_in_version_2(cpu_max: str, cores: int, tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/cpu.max": f"{cpu_max}\n"}
    assert available_cores(system(tmp_path, "0::/\n", V2_MOUNT.format(top="/"), files)) == cores


def test_the_least_limit_of_nested_groups_counts(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/a.slice/cpu.max": "300000 100000\n",
        "sys/fs/cgroup/a.slice/b/cpu.max": "max 100000\n",
        "sys/fs/cgroup/a.slice/b/c:1/cpu.max": "500000 100000\n",
        "sys/fs/cgroup/other/cpu.max": "100000 100000\n",
    }
    assert available_cores(system(tmp_path, "0::/a.slice/b/c:1\n", V2_MOUNT.format(top="/"), files)) == 3


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("250000", 3)])
def test_docker_cpus_in_version_1(quota: str, cores: int, tmp_path: Path) -> None:
    groups = "9:cpuset:/\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/docker/abc\n"
    folder = "sys/fs/cgroup/cpu,cpuacct/docker/abc"
    files = {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": "100000\n"}
    assert available_cores(system(tmp_path, groups, V1_MOUNTS.format(top="/"), files)) == cores


def test_a_container_sees_only_its_own_group(tmp_path: Path) -> None:
    """Without a namespace of its own, the group's path is the host's, and the mount begins at the group."""
    folder = "sys/fs/cgroup/cpu,cpuacct"
    files = {f"{folder}/cpu.cfs_quota_us": "200000\n", f"{folder}/cpu.cfs_period_us": "100000\n"}
    groups = "4:cpu,cpuacct:/docker/abc\n"
    assert available_cores(system(tmp_path / "v1", groups, V1_MOUNTS.format(top="/docker/abc"), files)) == 2
    files = {"sys/fs/cgroup/cpu.max": "200000 100000\n"}
    for number, (group, top) in enumerate([("/docker/abc", "/docker/abc"), ("/../x", "/"), ("/docker/abc", "/else")]):
        assert available_cores(system(tmp_path / f"v2-{number}", f"0::{group}\n", V2_MOUNT.format(top=top), files)) == 2


def test_lines_that_are_none_say_nothing(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/cpu.max": "200000 100000\n"}
    mount = V2_MOUNT.format(top="/")
    groups, mounts = "\nnothing\n3:cpu\n0::/\n", f"\n30 24 - cgroup2\n30 24 0:26 / - cgroup2 cgroup2 rw\n{mount}"
    assert available_cores(system(tmp_path / "among", groups, mounts, files)) == 2
    assert available_cores(system(tmp_path / "only", "nothing\n", mount, files)) == 8
    assert available_cores(system(tmp_path / "mounts", "0::/\n", "30 24 - cgroup2\n", files)) == 8
    folder = "sys/fs/cgroup/cpu,cpuacct"
    for number, (quota, period) in enumerate([("", "100000"), ("200000", ""), ("many", "100000")]):
        files = {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}
        assert available_cores(system(tmp_path / f"{number}", "4:cpu:/\n", V1_MOUNTS.format(top="/"), files)) == 8


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cores(tmp_path) == 8
    assert 1 <= available_cores() <= 8
