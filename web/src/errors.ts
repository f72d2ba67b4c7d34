/** Why a file cannot be tagged, or not in one of the ways. */

/** This file cannot be tagged; the message is shown to the user. */
export class AudioError extends Error {}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message.split("\n")[0]! : String(error);
}
