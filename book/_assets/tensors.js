// What amer.js computes with: a matrix (L, width) is one Float32Array, a layer is int8 rows of
// weights (outs, ins), a scale for each row or for each stretch of it and, perhaps, a bias.
"use strict";

// x (L, ins) → (L, outs), outs even. Two rows of weights meet four states, which lie side by side.
function linear(x, matrix) {
  const { bias, outs, ins } = matrix, length = x.length / ins;
  const states = new Float64Array(Math.ceil(length / 4) * 4 * ins);
  for (let t = 0; t < length; t++) {
    for (let i = 0; i < ins; i++) states[(t - (t % 4)) * ins + 4 * i + (t % 4)] = x[t * ins + i];
  }
  const y = new Float32Array(length * outs), v = new Float64Array(ins), w = new Float64Array(ins);
  for (let o = 0; o < outs; o += 2) {
    row(matrix, o, v);
    row(matrix, o + 1, w);
    for (let t = 0, at = 0; t < length; t += 4) {
      let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
      for (let i = 0; i < ins; i++, at += 4) {
        const vi = v[i], wi = w[i];
        const s0 = states[at], s1 = states[at + 1], s2 = states[at + 2], s3 = states[at + 3];
        a += vi * s0; b += vi * s1; c += vi * s2; d += vi * s3;
        e += wi * s0; f += wi * s1; g += wi * s2; h += wi * s3;
      }
      [a, b, c, d, e, f, g, h].forEach((total, n) => {
        const state = t + (n % 4), out = o + (n >> 2);
        if (state < length) y[state * outs + out] = total + (bias ? bias[out] : 0);
      });
    }
  }
  return y;
}

// Row n of a quantised matrix, into y (ins,).
function row({ weight, scale, ins }, n, y = new Float32Array(ins)) {
  const stretch = weight.length / scale.length;
  for (let i = 0, at = n * ins; i < ins; i++, at++) {
    y[i] = weight[at] * scale[Math.floor(at / stretch)];
  }
  return y;
}

// The three matrices that lie below each other in one: of queries, keys and values.
function thirds({ weight, scale, bias, outs, ins }) {
  return [0, 1, 2].map((n) => {
    const part = (all) => all.subarray(n * all.length / 3, (n + 1) * all.length / 3);
    return { weight: part(weight), scale: part(scale), bias: part(bias), outs: outs / 3, ins };
  });
}

const sum = (x) => x.reduce((a, b) => a + b, 0);
const joined = (x, y) => new Float32Array([...x, ...y]);
const add = (x, y) => x.map((value, i) => value + y[i]);
const dot = (x, y) => x.reduce((total, value, i) => total + value * y[i], 0);
const normalise = (x, length = Math.sqrt(dot(x, x)) || 1) => x.map((value) => value / length);

function layerNorm(x, { weight, bias, epsilon }) {
  const width = weight.length, y = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += width) {
    const part = x.subarray(at, at + width);
    const mean = sum(part) / width, variance = sum(part.map((one) => (one - mean) ** 2)) / width;
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (let i = 0; i < width; i++) y[at + i] = (part[i] - mean) * factor * weight[i] + bias[i];
  }
  return y;
}

// x · Φ(x); the error function by Abramowitz and Stegun 7.1.26, to 1.5e-7.
function gelu(x) {
  return x.map((value) => {
    const z = Math.abs(value) / Math.SQRT2, t = 1 / (1 + 0.3275911 * z);
    const tail = t * (0.254829592 + t * (-0.284496736
      + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-z * z);
    return value > 0 ? value * (1 - tail / 2) : value * tail / 2;
  });
}

function softmax(scores) {
  const top = Math.max(...scores), odds = scores.map((score) => Math.exp(score - top));
  const total = sum(odds);
  return odds.map((one) => one / total);
}

// Sum of the rows of states (L, width), each times its share.
function mean(shares, states) {
  const width = states.length / shares.length, y = new Float32Array(width);
  shares.forEach((share, t) => {
    for (let i = 0; i < width; i++) y[i] += share * states[t * width + i];
  });
  return y;
}

// Queries (T, width), each looking at all keys and values (S, width).
function attend(q, k, v, width, heads) {
  const size = width / heads, y = new Float32Array(q.length);
  for (let from = 0; from < q.length; from += size) {
    const scores = new Float64Array(k.length / width);
    for (let s = 0, at = from % width; s < scores.length; s++, at += width) {
      for (let i = 0; i < size; i++) scores[s] += q[from + i] * k[at + i] / Math.sqrt(size);
    }
    softmax(scores).forEach((share, s) => {
      const at = s * width + from % width;
      for (let i = 0; i < size; i++) y[from + i] += share * v[at + i];
    });
  }
  return y;
}
