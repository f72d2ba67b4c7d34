"""Which process of a run this one is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from earmark.training.lightning_setup import is_first_process

LIGHTNINGS = "from lightning.pytorch.utilities import rank_zero_only; print(rank_zero_only.rank)"


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "1"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "1"}, False),
        ({"SLURM_PROCID": "3"}, False),
    ],
)
@pytest.mark.slow
def test_the_first_process_is_lightnings(
    variables: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() is first
    done = subprocess.run(
        [sys.executable, "-c", LIGHTNINGS], env=os.environ, capture_output=True, text=True, check=True
    )
    assert (int(done.stdout) == 0) is first
