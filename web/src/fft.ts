/** Discrete Fourier transforms of a power of two. */

interface Tables {
  cosines: Float64Array;
  sines: Float64Array;
  /** Where each sample goes first: its place with the bits the other way round. */
  reversed: Uint32Array;
}

const tables = new Map<number, Tables>();

/** Transforms in place; the length is a power of two (Cooley and Tukey, radix 2). */
export function fft(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  const { cosines, sines, reversed } = tablesOf(n);
  for (let i = 0; i < n; i++) {
    const j = reversed[i]!;
    if (i >= j) continue;
    const [a, b] = [re[i]!, im[i]!];
    re[i] = re[j]!;
    im[i] = im[j]!;
    re[j] = a;
    im[j] = b;
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    const stride = n / size;
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < half; k++) {
        const c = cosines[k * stride]!;
        const s = sines[k * stride]!;
        const a = start + k;
        const b = a + half;
        const x = re[b]! * c - im[b]! * s;
        const y = re[b]! * s + im[b]! * c;
        re[b] = re[a]! - x;
        im[b] = im[a]! - y;
        re[a]! += x;
        im[a]! += y;
      }
    }
  }
}

/**
 * Powers of the bins from 0 to half the length, of two real signals in one transform. The signals are overwritten.
 *
 * The spectrum of `first` is the even part of that of first + i second, the spectrum of `second` its odd part.
 */
export function powers(first: Float64Array, second: Float64Array, ofFirst: Float64Array, ofSecond: Float64Array): void {
  const n = first.length;
  fft(first, second);
  for (let k = 0; k <= n / 2; k++) {
    const mirror = (n - k) % n;
    const [a, b] = [first[k]!, second[k]!];
    const [c, d] = [first[mirror]!, second[mirror]!];
    ofFirst[k] = ((a + c) ** 2 + (b - d) ** 2) / 4;
    ofSecond[k] = ((a - c) ** 2 + (b + d) ** 2) / 4;
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
