/** Why a file cannot be tagged, or not in one of the ways. */

import { type Facts, noFacts } from "./integrity";

/** This file cannot be tagged; the message is shown to the user. */
export class AudioError extends Error {}

/** This way of decoding cannot do it; the browser's other way (decodeAudioData) may. */
export class NotThisWay extends Error {
  /** `saysWhy`: the message says more of the file than that the other way fails, too. */
  constructor(
    message: string,
    readonly saysWhy = false,
  ) {
    super(message);
  }

  /** Of the file; null where it is not known. */
  sampleRateHz: number | null = null;
  facts: Facts = noFacts();
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message.split("\n")[0]! : String(error);
}
