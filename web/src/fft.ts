/** Discrete Fourier transforms of a power of two. */

interface Tables {
  cosines: Float64Array;
  sines: Float64Array;
  /** Where each sample goes first: its place with the bits the other way round. */
  reversed: Uint32Array;
}

const tables = new Map<number, Tables>();

/** Transforms in place; the length is a power of two, 4 or more (Cooley and Tukey; the first two of the steps of radix 2 are one). */
export function fft(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  const { cosines, sines, reversed } = tablesOf(n);
  for (let i = 0; i < n; i++) {
    const j = reversed[i]!;
    if (i >= j) continue;
    const a = re[i]!;
    const b = im[i]!;
    re[i] = re[j]!;
    im[i] = im[j]!;
    re[j] = a;
    im[j] = b;
  }
  for (let i = 0; i < n; i += 4) {
    const a = re[i]! + re[i + 1]!;
    const b = im[i]! + im[i + 1]!;
    const c = re[i]! - re[i + 1]!;
    const d = im[i]! - im[i + 1]!;
    const e = re[i + 2]! + re[i + 3]!;
    const f = im[i + 2]! + im[i + 3]!;
    const g = re[i + 2]! - re[i + 3]!;
    const h = im[i + 2]! - im[i + 3]!;
    re[i] = a + e;
    im[i] = b + f;
    re[i + 1] = c + h;
    im[i + 1] = d - g;
    re[i + 2] = a - e;
    im[i + 2] = b - f;
    re[i + 3] = c - h;
    im[i + 3] = d + g;
  }
  for (let half = 4; half < n; half *= 2) {
    const stride = n / half / 2;
    for (let start = 0; start < n; start += 2 * half) {
      for (let a = start, b = start + half, at = 0; a < start + half; a++, b++, at += stride) {
        const c = cosines[at]!;
        const s = sines[at]!;
        const p = re[b]!;
        const q = im[b]!;
        const x = p * c - q * s;
        const y = p * s + q * c;
        const u = re[a]!;
        const v = im[a]!;
        re[b] = u - x;
        im[b] = v - y;
        re[a] = u + x;
        im[a] = v + y;
      }
    }
  }
}

/**
 * Puts the powers of the bins from 0 to half the length in the place of two real signals, by one transform.
 *
 * The spectrum of `first` is the even part of that of first + i second, the spectrum of `second` its odd part.
 */
export function powers(first: Float64Array, second: Float64Array): void {
  const n = first.length;
  fft(first, second);
  for (let k = 0; k <= n / 2; k++) {
    const mirror = (n - k) % n;
    const a = first[k]!;
    const b = second[k]!;
    const c = first[mirror]!;
    const d = second[mirror]!;
    first[k] = ((a + c) ** 2 + (b - d) ** 2) / 4;
    second[k] = ((a - c) ** 2 + (b + d) ** 2) / 4;
  }
}

/** Hann's window for frames that overlap: one period, of which the last sample is that before the next begins. */
export function hann(n: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n));
}

function tablesOf(n: number): Tables {
  let found = tables.get(n);
  if (found) return found;
  const angle = (k: number): number => (-2 * Math.PI * k) / n;
  const reversed = new Uint32Array(n);
  for (let i = 1; i < n; i++) reversed[i] = (reversed[i >> 1]! >> 1) | (i & 1 ? n >> 1 : 0);
  found = {
    cosines: Float64Array.from({ length: n >> 1 }, (_, k) => Math.cos(angle(k))),
    sines: Float64Array.from({ length: n >> 1 }, (_, k) => Math.sin(angle(k))),
    reversed,
  };
  tables.set(n, found);
  return found;
}
