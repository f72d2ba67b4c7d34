"""Drum patterns, as text: one line per instrument, one character per step, x is loud, o is soft."""

from __future__ import annotations

KICK, RIM, SNARE, CLAP, HAT, PEDAL, OPEN, RIDE, SHAKER, CONGA, LOW_CONGA, TOM, COWBELL, TAMBOURINE, CRASH = (
    36, 37, 38, 39, 42, 44, 46, 51, 70, 63, 64, 45, 56, 54, 49,
)  # fmt: skip

# name: (beats per bar, steps per beat, {instrument: steps}, usual tempo from, to)
DRUMS: dict[str, tuple[int, int, dict[int, str], float, float]] = {
    "rock": (4, 4, {KICK: "x.......x.......", SNARE: "....x.......x...", HAT: "x.x.x.x.x.x.x.x."}, 70, 180),
    "rock_2": (4, 4, {KICK: "x.....x.x.......", SNARE: "....x.......x...", HAT: "x.o.x.o.x.o.x.o."}, 70, 170),
    "rock_quarters": (4, 4, {KICK: "x..x..x.x.......", SNARE: "....x.......x..o", OPEN: "x...x...x...x..."}, 80, 180),
    "punk": (4, 4, {KICK: "x...x...x...x...", SNARE: "..x...x...x...x.", HAT: "x.x.x.x.x.x.x.x."}, 100, 200),
    "disco": (4, 4, {KICK: "x...x...x...x...", SNARE: "....x.......x...", HAT: "..x...x...x...x.", OPEN: "..x...x...x...x."}, 100, 140),
    "house": (4, 4, {KICK: "x...x...x...x...", CLAP: "....x.......x...", OPEN: "..x...x...x...x.", SHAKER: "ooxoooxoooxoooxo"}, 110, 135),
    "techno": (4, 4, {KICK: "x...x...x...x...", HAT: "..x...x...x...x.", RIM: "...x..x....x..x."}, 115, 150),
    "minimal": (4, 4, {KICK: "x...x...x...x...", HAT: "..x...x...x.o.x."}, 100, 140),
    "trance": (4, 4, {KICK: "x...x...x...x...", SNARE: "....x.......x...", HAT: "ooxoooxoooxoooxo"}, 125, 150),
    "electro": (4, 4, {KICK: "x.....x...x.....", SNARE: "....x.......x...", HAT: "xoxoxoxoxoxoxoxo"}, 90, 135),
    "hiphop": (4, 4, {KICK: "x..x......x.....", SNARE: "....x.......x...", HAT: "x.x.x.x.x.x.x.x."}, 70, 105),
    "trap": (4, 4, {KICK: "x.....x.........", SNARE: "........x.......", HAT: "xxxxxxxxxxxxoxox"}, 120, 160),
    "half_time": (4, 4, {KICK: "x.........x.....", SNARE: "........x.......", HAT: "x.x.x.x.x.x.x.x."}, 110, 170),
    "breakbeat": (4, 4, {KICK: "x.x.......xx....", SNARE: "....x..o.o..x..o", HAT: "x.x.x.x.x.x.x.x."}, 90, 150),
    "drum_and_bass": (4, 4, {KICK: "x.........x.....", SNARE: "....x.......x...", HAT: "x.xox.x.x.xox.x."}, 155, 180),
    "funk": (4, 4, {KICK: "x..x..x...x..x..", SNARE: "....x..o.o..x...", HAT: "xxxxxxxxxxxxxxxx"}, 85, 125),
    "soul": (4, 4, {KICK: "x...x...x...x...", SNARE: "x...x...x...x...", TAMBOURINE: "....x.......x..."}, 90, 140),
    "reggae": (4, 4, {KICK: "........x.......", SNARE: "........x.......", HAT: "x.x.x.x.x.x.x.x."}, 120, 170),
    "steppers": (4, 4, {KICK: "x...x...x...x...", RIM: "....x.......x...", HAT: "..x...x...x...x."}, 60, 90),
    "ska": (4, 4, {KICK: "x.......x.......", SNARE: "....x.......x...", HAT: "..x...x...x...x."}, 110, 180),
    "bossa": (4, 4, {KICK: "x.....x.x.....x.", RIM: "x.....x.....x...", HAT: "x.x.x.x.x.x.x.x."}, 100, 160),
    "samba": (4, 4, {KICK: "x..xx..xx..xx..x", SNARE: "x.x.xx.x.x.xx.x.", SHAKER: "xoxxxoxxxoxxxoxx"}, 85, 130),
    "salsa": (4, 4, {COWBELL: "x...x.x.x...x.x.", CONGA: "..x...xx..x...xx", LOW_CONGA: "......x.......x."}, 80, 120),
    "afro": (4, 4, {CONGA: "x..x..x...x.x...", LOW_CONGA: "....x..x....x..x", SHAKER: "x.xxx.xxx.xxx.xx"}, 75, 130),
    "tribal": (4, 4, {TOM: "x..x..x.x..x..x.", KICK: "x.......x......."}, 70, 150),
    "march": (4, 4, {KICK: "x.......x.......", SNARE: "x.x.x.xxx.x.x.xx"}, 90, 130),
    "polka": (2, 4, {KICK: "x...x...", SNARE: "..x...x."}, 100, 140),
    "country": (4, 4, {KICK: "x.......x.......", SNARE: "..x.x.x...x.x.xx"}, 90, 160),
    "epic": (4, 4, {TOM: "x..x..x.x.x.x.x.", KICK: "x.......x......."}, 80, 150),
    "shaker": (4, 4, {SHAKER: "x.o.x.o.x.o.x.o."}, 60, 140),
    "clicks": (4, 4, {RIM: "x...x...x...x..."}, 50, 200),
    "ballad": (4, 4, {KICK: "x.......x.x.....", RIM: "....x.......x...", HAT: "x.x.x.x.x.x.x.x."}, 55, 95),
    "waltz": (3, 4, {KICK: "x...........", SNARE: "....x...x...", HAT: "x...x...x..."}, 80, 200),
    "jazz_waltz": (3, 3, {RIDE: "x..x.xx..", PEDAL: "...x.....", KICK: "x........"}, 100, 190),
    "swing": (4, 3, {RIDE: "x..x.xx..x.x", PEDAL: "...x.....x..", KICK: "o..o..o..o.."}, 90, 230),
    "shuffle": (4, 3, {KICK: "x.....x.....", SNARE: "...x.....x..", HAT: "x.xx.xx.xx.x"}, 75, 150),
    "slow_blues": (4, 3, {KICK: "x.....x..x..", SNARE: "...x.....x..", RIDE: "xxxxxxxxxxxx"}, 50, 80),
    "jig": (2, 3, {KICK: "x..x..", SHAKER: "xoxxox"}, 90, 140),
    "six_eight": (2, 3, {KICK: "x.....", SNARE: "...x..", HAT: "xxxxxx"}, 45, 90),
    "seven": (7, 2, {KICK: "x...x.....x...", SNARE: "..x.....x...x.", HAT: "xxxxxxxxxxxxxx"}, 100, 180),
    "five": (5, 2, {KICK: "x.....x...", SNARE: "...x....x.", RIDE: "x.xxx.x.xx"}, 100, 190),
}  # fmt: skip
