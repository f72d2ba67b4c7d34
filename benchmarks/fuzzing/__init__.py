"""The parts of benchmarks/fuzz.py: mutation, worker process, state, report, and one module per target in targets/."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # for tests.helpers
