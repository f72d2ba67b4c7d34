"""The process that tags, with a decoder that some files harm: by name, a file crashes it, hangs it, or is slow."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from earmark.audio import chunker
from earmark.audio.decoder import AudioStream
from earmark.cluster import worker_process


class HarmedStream(AudioStream):
    def __iter__(self) -> Iterator[Any]:
        if "crashes" in self.path.name:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "hangs" in self.path.name:
            signal.pause()  # for ever
        if "together" in self.path.name and not (mark := self.path.with_suffix(".seen")).exists():
            Path(mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)  # once only: not its own fault
        for block in super().__iter__():
            if "slow" in self.path.name:
                time.sleep(0.3)
            yield block


if __name__ == "__main__":
    chunker.AudioStream = HarmedStream  # type: ignore[misc]
    worker_process.main()
