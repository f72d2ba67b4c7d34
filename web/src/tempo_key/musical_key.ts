/** Musical keys, their names and codes; as src/earmark/core/musical_key.py. */

const NOTES = {
  major: ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"],
  minor: ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"],
};

export interface KeyNames {
  /** As ID3 has it: "F#m", "Bb". */
  key: string;
  /** "F# minor", "Bb major" */
  name: string;
  camelot: string;
  open_key: string;
}

/** The names of one of the 24 keys: major ones from C on, then minor ones. */
export function keyNames(place: number): KeyNames {
  const isMinor = place >= 12;
  const note = NOTES[isMinor ? "minor" : "major"][place % 12]!;
  const fifths = ((place + (isMinor ? 3 : 0)) * 7) % 12; // from C major to this key or its relative major
  return {
    key: note + (isMinor ? "m" : ""),
    name: `${note} ${isMinor ? "minor" : "major"}`,
    camelot: `${((fifths + 7) % 12) + 1}${isMinor ? "A" : "B"}`,
    open_key: `${fifths + 1}${isMinor ? "m" : "d"}`,
  };
}

/** Sorts keys round the wheel: 1A, 1B, 2A and so on. */
export function wheelPlace(camelot: string): number {
  return 2 * Number.parseInt(camelot, 10) + Number(camelot.endsWith("B"));
}
