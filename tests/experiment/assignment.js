// Assignment in another language: the byte string and its SHA-256 (FIPS 180-4), with no library.
"use strict";

// The first 32 bits of the fractional parts of the `power` roots of the first `count` primes, by exact integer roots.
function rootBits(count, power) {
  const words = [];
  for (let n = 2; words.length < count; n++) {
    let isPrime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) isPrime = false;
    if (!isPrime) continue;
    const target = BigInt(n) << BigInt(32 * power);
    let low = 0n, high = 1n << 40n;
    while (high - low > 1n) {
      const middle = (low + high) >> 1n;
      if (middle ** BigInt(power) <= target) low = middle; else high = middle;
    }
    words.push(Number(low & 0xffffffffn));
  }
  return words;
}

const START = rootBits(8, 2), ROUND = rootBits(64, 3);

function sha256(bytes) {
  const padded = [...bytes, 0x80];
  while (padded.length % 64 !== 56) padded.push(0);
  for (let shift = 56; shift >= 0; shift -= 8) padded.push(Number((BigInt(bytes.length * 8) >> BigInt(shift)) & 255n));
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  const hash = [...START];
  for (let at = 0; at < padded.length; at += 64) {
    const w = [];
    for (let i = 0; i < 64; i++) {
      if (i < 16) {
        const p = at + 4 * i;
        w.push((padded[p] << 24) | (padded[p + 1] << 16) | (padded[p + 2] << 8) | padded[p + 3]);
      } else {
        const x = w[i - 15], y = w[i - 2];
        const s0 = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3), s1 = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
        w.push((w[i - 16] + s0 + w[i - 7] + s1) | 0);
      }
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i++) {
      const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25), choice = (e & f) ^ (~e & g);
      const t1 = (h + s1 + choice + ROUND[i] + w[i]) | 0;
      const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22), majority = (a & b) ^ (a & c) ^ (b & c);
      [a, b, c, d, e, f, g, h] = [(t1 + s0 + majority) | 0, a, b, c, (d + t1) | 0, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => { hash[i] = (hash[i] + word) | 0; });
  }
  return hash.flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255));
}

// The draw of a unit given as hex, 0 to 999,999. All fields before the unit are ASCII.
function draw(salt, purpose, scope, kind, unitHex) {
  const head = ["instant_credit.assignment.1", salt, purpose, scope, kind, ""].join("\n");
  const unit = (unitHex.match(/../g) || []).map((pair) => parseInt(pair, 16));
  const first = sha256([...head].map((letter) => letter.charCodeAt(0)).concat(unit)).slice(0, 8);
  return Number((first.reduce((n, byte) => n * 256n + BigInt(byte), 0n) * 1000000n) >> 64n);
}

// Where a unit stands in one layer. `layer` has name, kind and holdout_ppm; `experiments` have hash, from_ppm, to_ppm, coverage_ppm and
// arms [[name, share_ppm], ...]; `eligible` says of an experiment's hash whether it is open to the application.
function assign(salt, layer, experiments, unitHex, eligible) {
  const bucket = draw(salt, "layer", layer.name, layer.kind, unitHex);
  if (bucket < layer.holdout_ppm) return { holdout: true };
  const one = experiments.find((e) => e.from_ppm <= bucket && bucket < e.to_ppm);
  if (!one || !eligible(one.hash)) return {};
  if (draw(salt, "coverage", one.hash, layer.kind, unitHex) >= one.coverage_ppm) return {};
  const at = draw(salt, "arm", one.hash, layer.kind, unitHex);
  let end = 0;
  for (const [name, share] of one.arms) if (at < (end += share)) return { experiment: one.hash, arm: name };
}
