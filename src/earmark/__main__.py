"""``python -m earmark``, and so ``torchrun ... -m earmark``."""

from earmark.cli.main import run

if __name__ == "__main__":
    run()
