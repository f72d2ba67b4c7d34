"""Decodes a dataset once, into shards. If it is killed, the next run resumes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from earmark.core.cpu import available_cores
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import Conditioning
from earmark.core.storage import Store
from earmark.core.version import __version__
from earmark.datasets.base import Dataset
from earmark.shards.layout import MEAN_ONLY, RECORDS, AudioKind, Header, read_header, write_header
from earmark.shards.plan import PlannedClip, clip_list_digest, differences, metadata_digest, plan_clips
from earmark.shards.sample import LOCAL, Sources, Wanted, mean_bytes
from earmark.shards.shard_writer import PrepareProgress, PrepareReport, Run

logger = logging.getLogger(__name__)

SHARD_MEGABYTES = 256.0

_PROBED = 16


def prepare(
    dataset: Dataset | Sequence[Dataset],
    out: str | Path,
    *,
    audio: AudioKind = "flac",
    sample_rate_hz: int | None = 16_000,
    shard_megabytes: float | None = None,
    clips_per_shard: int | None = None,
    jobs: int | None = None,
    retry_failed: bool = False,
    on_done: Callable[[PrepareProgress], None] | None = None,
) -> PrepareReport:
    """Put all clips of a dataset, of every split, into WebDataset shards; resumes an earlier run.

    Files that cannot be decoded are left out and listed in failed.csv. A change of a file after its
    shard was finished is not noticed.

    Args:
        dataset: the dataset; under several protocols for the clips of all of them.
        out: folder of the shards; see :mod:`earmark.shards.layout`.
        audio: "flac", mono of 16 bits at ``sample_rate_hz``, or "original", the files as they are. Channels are mixed as
            in tagging with the bundled model; where their plain mean differs, it is stored, too, for networks without
            conditioning.
        sample_rate_hz: of the FLAC audio; None for originals.
        shard_megabytes: approximate size of a shard; None for 256, or the size used in ``out``.
        clips_per_shard: how many clips instead.
        jobs: threads that decode and encode; None for one per core.
        retry_failed: remake shards that lack clips; the clips in them are copied.
        on_done: called after every clip.

    Raises:
        ConfigError: options that contradict each other, or different shards in ``out``.
        DataError: none of the files exists; the disk is full; another run writes into ``out``.
    """
    datasets = [dataset] if isinstance(dataset, Dataset) else list(dataset)
    planned = plan_clips(datasets)
    check_options(audio, sample_rate_hz, shard_megabytes, clips_per_shard)
    wanted = Wanted(audio, sample_rate_hz)
    folder = Path(out)
    jobs = jobs or available_cores()
    with storage_errors(folder), ThreadPoolExecutor(jobs, thread_name_prefix="earmark-prepare") as pool:
        (folder / RECORDS).mkdir(parents=True, exist_ok=True)
        with exclusive_lock(folder):
            header = plan_header(Store(folder), datasets, planned, wanted, shard_megabytes, clips_per_shard, pool)
            remove_parts(folder)
            wanted = replace(wanted, cancelled_share=header.cancelled_share)
            return Run(folder, header, planned, wanted, on_done).run(pool, jobs, retry_failed)


def check_options(
    audio: AudioKind, sample_rate_hz: int | None, shard_megabytes: float | None, clips_per_shard: int | None
) -> None:
    problems = []
    if audio not in ("flac", "original"):
        problems.append(f"audio {audio!r}: must be flac or original")
    elif audio == "original" and sample_rate_hz is not None:
        problems.append(f"sample rate {sample_rate_hz} Hz: original files keep their own; give none")
    elif audio == "flac" and (sample_rate_hz is None or not 1000 <= sample_rate_hz <= 192_000):
        problems.append(f"sample rate {sample_rate_hz} Hz: must be in 1,000..192,000 for FLAC")
    if shard_megabytes is not None and clips_per_shard is not None:
        problems.append("a shard's size is given in megabytes or in clips, not both")
    if shard_megabytes is not None and not shard_megabytes > 0:
        problems.append(f"shards of {shard_megabytes:g} MB: must be above 0")
    if clips_per_shard is not None and clips_per_shard < 1:
        problems.append(f"{clips_per_shard} clips per shard: must be at least 1")
    if problems:
        raise ConfigError(problems)


def plan_header(
    store: Store,
    datasets: Sequence[Dataset],
    planned: Sequence[PlannedClip],
    wanted: Wanted,
    shard_megabytes: float | None,
    clips_per_shard: int | None,
    pool: ThreadPoolExecutor,
    sources: Sources = LOCAL,
) -> Header:
    """The existing header if it matches; otherwise a new one, written to the store."""
    header = Header(
        dataset=datasets[0].name,
        protocols=tuple(dataset.protocol for dataset in datasets),
        clip_list=clip_list_digest(planned),
        metadata=metadata_digest(planned),
        audio=wanted.audio,
        sample_rate_hz=wanted.sample_rate_hz,
        shard_megabytes=None if clips_per_shard else shard_megabytes or SHARD_MEGABYTES,
        clips_per_shard=clips_per_shard or 1,
        n_clips=len(planned),
        earmark_version=__version__,
        cancelled_share=Conditioning().cancelled_share if wanted.audio == "flac" else None,
    )
    found = read_header(store)
    if found is not None:
        problems = differences(header, found)
        if clips_per_shard is not None and clips_per_shard != found.clips_per_shard:
            problems.append(f"clips in a shard: {found.clips_per_shard} there, {clips_per_shard} wanted")
        if shard_megabytes is not None and shard_megabytes != found.shard_megabytes:
            there = (
                f"{found.clips_per_shard} clips" if found.shard_megabytes is None else f"{found.shard_megabytes:g} MB"
            )
            problems.append(f"size of a shard: {there} there, {shard_megabytes:g} MB wanted")
        if problems:
            advice = "give another folder, or delete this one"
            raise ConfigError([f"{store} holds other shards; {advice}:", *[f"  {problem}" for problem in problems]])
        if found.cancelled_share is None and wanted.audio == "flac":
            logger.warning("%s: begun by an earlier version, and continued in its way: %s", store, MEAN_ONLY)
        return found
    looked_for = planned if sources.place is None else planned[:_PROBED]  # asking a store takes a while
    if not any(sources.exists(item.clip.path) for item in looked_for):
        first = sources.name(planned[0].clip.path)
        raise DataError(f"not one of {len(looked_for)} audio files is there, e.g. {first}")
    if header.shard_megabytes is not None:
        mean = mean_bytes(planned, replace(wanted, cancelled_share=header.cancelled_share), pool, sources)
        header = replace(header, clips_per_shard=max(1, round(header.shard_megabytes * 1e6 / mean)))
    write_header(store, header)
    return header


def remove_parts(folder: Path) -> None:
    """Remove partial files of killed processes; no other process may be writing."""
    for left in [*folder.glob(".*.part"), *(folder / RECORDS).glob(".*.part")]:
        left.unlink(missing_ok=True)


@contextmanager
def storage_errors(place: object) -> Iterator[None]:
    """Turns OSError, such as a full disk, into DataError with a remedy."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{place}: cannot be written ({error.strerror or error}); finished shards are kept: free some space there, "
            "then run `earmark data prepare` again to resume"
        ) from error


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Lock the folder against a second run, if the system can; the lock ends with the process."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (folder / ".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"{folder}: another `earmark data prepare` is at work there") from error
        except OSError:
            logger.warning("%s: this file system has no locks; do not start a second run there", folder)
        yield
