// A worker that does one sum: the number whose SHA-256 together with the salt is the challenge (ALTCHA's scheme).
// It carries a SHA-256 of its own: the browser's is only there on https, and far slower for a million short texts.
"use strict";

const bit32 = (number) => Math.floor((number % 1) * 0x100000000) | 0;
const PRIMES = [];
for (let candidate = 2; PRIMES.length < 64; candidate += 1) {
  if (PRIMES.every((prime) => candidate % prime)) PRIMES.push(candidate);
}
const ROUNDS = Int32Array.from(PRIMES, (prime) => bit32(Math.cbrt(prime)));
const START = Int32Array.from(PRIMES.slice(0, 8), (prime) => bit32(Math.sqrt(prime)));
const words = new Int32Array(64);

// Mixes the 64 bytes at `from` into the eight words of state.
function mix(state, bytes, from) {
  for (let i = 0; i < 16; i += 1) {
    const at = from + 4 * i;
    words[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let i = 16; i < 64; i += 1) {
    const early = words[i - 15];
    const late = words[i - 2];
    const one = ((early >>> 7) | (early << 25)) ^ ((early >>> 18) | (early << 14)) ^ (early >>> 3);
    const two = ((late >>> 17) | (late << 15)) ^ ((late >>> 19) | (late << 13)) ^ (late >>> 10);
    words[i] = (words[i - 16] + one + words[i - 7] + two) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i += 1) {
    const big = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const first = (h + big + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
    const small = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const second = (small + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  const mixed = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i += 1) state[i] = (state[i] + mixed[i]) | 0;
}

// The salt is the same for every number: its whole blocks are mixed once.
function solve({ challenge, salt, maxnumber }) {
  const wanted = Int32Array.from({ length: 8 }, (_, i) => parseInt(challenge.slice(8 * i, 8 * i + 8), 16) | 0);
  const fixed = new TextEncoder().encode(salt);
  const whole = fixed.length - (fixed.length % 64);
  const before = Int32Array.from(START);
  for (let at = 0; at < whole; at += 64) mix(before, fixed, at);
  const rest = fixed.subarray(whole);
  const block = new Uint8Array(128);
  const state = new Int32Array(8);
  for (let number = 0; number <= maxnumber; number += 1) {
    const digits = String(number);
    let length = rest.length;
    block.fill(0);
    block.set(rest);
    for (let i = 0; i < digits.length; i += 1, length += 1) block[length] = digits.charCodeAt(i);
    block[length] = 0x80;
    const end = length < 56 ? 64 : 128;
    const bits = (whole + length) * 8;
    for (let i = 0; i < 4; i += 1) block[end - 1 - i] = (bits >>> (8 * i)) & 255;
    state.set(before);
    for (let at = 0; at < end; at += 64) mix(state, block, at);
    if (state[0] === wanted[0] && state.every((word, i) => word === wanted[i])) return number;
  }
  throw new Error("no number fits the challenge");
}

self.addEventListener("message", ({ data }) => {
  const { algorithm, challenge, salt, signature } = data;
  self.postMessage({ algorithm, challenge, number: solve(data), salt, signature });
});
