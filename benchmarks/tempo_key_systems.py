"""One system for tempo and key, on files of a list: for benchmarks/tempo_key.py, in the system's own interpreter.

    python benchmarks/tempo_key_systems.py earmark|librosa|essentia LIST.json ANSWERS.jsonl

The list has path, tempo and key (whether each is asked for). Files that are in the answers are left out. An answer has path, tempo
and key (by method), and seconds of CPU, decoding and all. Keys are 0..11 for major from C, 12..23 for minor.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = dict[str, Any]

# Krumhansl and Kessler, "Tracing the dynamic changes in perceived tonal organization", Psychological Review 1982.
_KRUMHANSL = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)


# Albrecht and Shanahan, "The use of large corpora to train a new type of key-finding algorithm", Music Perception 2013.
_ALBRECHT = (
    (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
)


def _best_profile(chroma: Any, profiles: tuple[tuple[float, ...], ...]) -> int:
    """The key whose profile correlates best with the strength of the pitch classes."""
    import numpy as np

    scores = [np.corrcoef(np.roll(profile, tonic), chroma)[0, 1] for profile in profiles for tonic in range(12)]
    return int(np.argmax(scores))


def _classical(meter: Any) -> Answer:
    """From the same features without networks: a product of tempograms with a bell around 115 BPM, and a key profile."""
    import numpy as np

    from earmark.tagging.tempo_key.pitch_features import LOWEST_MIDI, N_SEMITONES, tuned_pitches, tuning_cents
    from earmark.tagging.tempo_key.tempogram import bin_bpm, refine_bpm, tempograms

    found: Answer = {}
    if meter.onset_features is not None:
        onsets = meter.onset_features.onsets()
        grams = tempograms(onsets).mean(axis=0)
        fourier, correlation = np.split(grams, 2)
        bpm = bin_bpm()
        prior = np.exp(-0.5 * (np.log2(bpm / 115) / 0.6) ** 2)
        at = int(np.argmax(fourier.sum(axis=0) * np.maximum(correlation.sum(axis=0), 0) * prior))
        found["tempo"] = refine_bpm(onsets, float(bpm[at]))
    if meter.pitch_features is not None:
        cents = meter.pitch_features.cents
        pitches = tuned_pitches(meter.pitch_features.steps(), tuning_cents(cents)).mean(axis=0)
        chroma = np.bincount((np.arange(N_SEMITONES) + LOWEST_MIDI) % 12, pitches, 12)
        found["key"] = _best_profile(chroma, _ALBRECHT)
    return found


def earmark_system() -> Callable[[str, bool, bool], Answer]:
    """Tempo and key as `earmark tag --tempo --key` estimates them; only what they need is computed."""
    from earmark import audio
    from earmark.audio.sound import SoundStream
    from earmark.tagging.runtime import find_model, read_card
    from earmark.tagging.tempo_key import TempoKeyMeter

    spec = read_card(find_model()).input

    def answer(path: str, tempo: bool, key: bool) -> Answer:
        meter = TempoKeyMeter(spec.sample_rate_hz, tempo=tempo, key=key)
        for block in SoundStream(audio.stream(Path(path), spec.sample_rate_hz, spec.conditioning), spec):
            meter.add(block)
        beat, tonality = meter.finish()
        found: Answer = {"tempo": {}, "key": {}}
        if beat is not None:
            found["tempo"]["earmark"] = beat.bpm
            found["tempo_confidence"] = beat.confidence
        if tonality is not None:
            best = tonality.key
            found["key"]["earmark"] = None if best is None else best.tonic + 12 * (best.mode == "minor")
            found["key_confidence"] = tonality.confidence
            found["tuning_hz"] = tonality.tuning_hz
        begin = time.process_time()
        for name, value in _classical(meter).items():
            found[name]["its features without networks"] = value
        found["too_many_seconds"] = time.process_time() - begin
        return found

    return answer


def librosa_system() -> Callable[[str, bool, bool], Answer]:
    """librosa: tempo by beat.beat_track, key by the mean of chroma_cqt and profiles of Krumhansl and Kessler."""
    import librosa
    import numpy as np

    from earmark.baselines.features import compile_librosa

    compile_librosa()  # several processes that compile it at once leave files that crash

    def key_of(samples: Any, rate_hz: float) -> int:
        chroma = librosa.feature.chroma_cqt(y=samples, sr=rate_hz).mean(axis=1)
        return _best_profile(chroma, _KRUMHANSL)

    def answer(path: str, tempo: bool, key: bool) -> Answer:
        samples, rate_hz = librosa.load(path, sr=22_050)
        found: Answer = {"tempo": {}, "key": {}}
        if tempo:
            bpm, _ = librosa.beat.beat_track(y=samples, sr=rate_hz)
            found["tempo"]["librosa beat_track"] = float(np.atleast_1d(bpm)[0]) or None
        if key:
            found["key"]["librosa chroma_cqt, Krumhansl"] = key_of(samples, rate_hz)
        return found

    return answer


def essentia_system() -> Callable[[str, bool, bool], Answer]:
    """Essentia: tempo by RhythmExtractor2013, key by KeyExtractor with several profiles."""
    import essentia
    import essentia.standard as standard

    essentia.log.infoActive = essentia.log.warningActive = False
    names = {
        "C": 0,
        "C#": 1,
        "Db": 1,
        "D": 2,
        "D#": 3,
        "Eb": 3,
        "E": 4,
        "F": 5,
        "F#": 6,
        "Gb": 6,
        "G": 7,
        "G#": 8,
        "Ab": 8,
    }
    names |= {"A": 9, "A#": 10, "Bb": 10, "B": 11}

    def answer(path: str, tempo: bool, key: bool) -> Answer:
        samples = standard.MonoLoader(filename=path, sampleRate=44_100)()
        found: Answer = {"tempo": {}, "key": {}}
        if tempo:
            try:
                bpm = float(standard.RhythmExtractor2013(method="multifeature")(samples)[0])
            except RuntimeError:  # it finds no beats
                bpm = 0.0
            found["tempo"]["essentia RhythmExtractor2013 multifeature"] = bpm or None
        if key:
            begin = time.process_time()
            for profile in ("edma", "krumhansl"):
                name, mode, _ = standard.KeyExtractor(profileType=profile)(samples)
                found["key"][f"essentia KeyExtractor {profile}"] = names[name] + 12 * (mode == "minor")
            found["too_many_seconds"] = (time.process_time() - begin) / 2  # one profile is enough
        return found

    return answer


SYSTEMS = {"earmark": earmark_system, "librosa": librosa_system, "essentia": essentia_system}


def main() -> None:
    system, listed, answers = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    done = {json.loads(line)["path"] for line in answers.read_text().splitlines()} if answers.exists() else set()
    rows = [row for row in json.loads(listed.read_text()) if row["path"] not in done]
    answer = SYSTEMS[system]()
    if rows:
        answer(rows[-1]["path"], True, True)  # what is compiled and loaded once
    with answers.open("a") as file:
        for row in rows:
            begin = time.process_time()
            found = answer(row["path"], row["tempo"], row["key"])
            seconds = time.process_time() - begin - found.pop("too_many_seconds", 0.0)
            print(json.dumps({"path": row["path"], "cpu_seconds": seconds, **found}), file=file, flush=True)


if __name__ == "__main__":
    main()
