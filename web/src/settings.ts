/** What a person has chosen, for the next visit; forgotten where the browser gives no storage. */

const PREFIX = `earmark ${new URL(".", location.href).pathname} `;

export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // It holds for this visit.
  }
}
