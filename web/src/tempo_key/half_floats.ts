/** Numbers of 16 bits, as Python keeps features: half the memory. Browsers have no array of them yet. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

const SMALLEST_NORMAL = 2 ** -14;
const SMALLEST = 2 ** -24;
const LARGEST = 65_504;

/** Rounded to the nearest half float, as bits; numbers from 0 to 65504. */
export function toHalfFloats(numbers: ArrayLike<number>): Uint16Array {
  return Uint16Array.from(numbers, (x) => {
    if (!(x >= 0 && x <= LARGEST)) throw new Error(`${x}: 0 to ${LARGEST} can be kept in 16 bits`);
    if (x < SMALLEST_NORMAL) return roundHalfEven(x / SMALLEST);
    float[0] = x;
    const whole = bits[0]! - (112 << 23); // the exponent of a half float is less by 112
    const last = (whole >> 13) & 1;
    return (whole + 0xfff + last) >> 13;
  });
}

/** The numbers that such bits stand for, into `out` from `at` on. */
export function fromHalfFloats(halves: Uint16Array, out: Float32Array, at: number): void {
  halves.forEach((half, i) => {
    const exponent = half >> 10;
    const fraction = half & 0x3ff;
    out[at + i] = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * SMALLEST;
  });
}

/** To the nearest whole number, of two that are as near to the even one, as NumPy rounds. */
export function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}
