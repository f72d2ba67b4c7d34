"""The parts of benchmarks/fuzz.py: mutation, worker process, state, report, and one module per target in targets/."""
