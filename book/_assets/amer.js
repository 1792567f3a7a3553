// AMER in the reader's browser, as a worker: text → token states → vectors → documents, ranked.
// The names are those of the library, whose numbers these are: weights and documents are int8 with
// scales, activations are floats. A matrix of states (L, width) is one Float32Array.
"use strict";

importScripts("tensors.js");

// All arrays of a safetensors file: a JSON header, its length before it, and the numbers behind it.
class Weights {
  constructor(buffer) {
    this.buffer = buffer;
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    this.header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    this.start = 8 + length;
  }

  array(name) {
    const { dtype, shape, data_offsets: [from, to] } = this.header[name];
    const Kind = dtype === "I8" ? Int8Array : Float32Array;
    const bytes = Kind.BYTES_PER_ELEMENT;
    return { shape, values: new Kind(this.buffer, this.start + from, (to - from) / bytes) };
  }

  values(name) {
    return name in this.header ? this.array(name).values : null;
  }

  matrix(name, weight = `${name}.weight`) {
    const { shape: [outs, ins], values } = this.array(weight);
    const bias = this.values(`${name}.bias`);
    return { weight: values, scale: this.values(`${weight}.scale`), bias, outs, ins };
  }

  norm(name) {
    return { weight: this.values(`${name}.weight`), bias: this.values(`${name}.bias`) };
  }
}

// all-MiniLM-L6-v2: BERT's word pieces, six layers of width 384, twelve heads.
class SentenceEncoder {
  static LONGEST = 256; // tokens; the rest of a text is cut off
  static SPECIAL = /(\[(?:PAD|UNK|CLS|SEP|MASK)\])/;
  static CONTROL = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\uFFFD]/gu;
  static ALONE = new RegExp("([!-/:-@\\[-`{-~\\p{P}\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF"
    + "\u{20000}-\u{2A6DF}\u{2A700}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{2F800}-\u{2FA1F}])", "gu");

  constructor(weights, vocabulary) {
    this.ids = new Map(vocabulary.map((piece, id) => [piece, id]));
    this.words = weights.matrix("embeddings.word_embeddings");
    this.positions = weights.matrix("embeddings.position_embeddings");
    this.norm = weights.norm("embeddings.LayerNorm");
    this.layers = [];
    for (let i = 0; `encoder.layer.${i}.output.dense.weight` in weights.header; i++) {
      const part = (name) => weights.matrix(`encoder.layer.${i}.${name}`);
      const norm = (name) => weights.norm(`encoder.layer.${i}.${name}.LayerNorm`);
      this.layers.push({
        query: part("attention.self.query"), key: part("attention.self.key"),
        value: part("attention.self.value"), attentionOut: part("attention.output.dense"),
        attentionNorm: norm("attention.output"), intermediate: part("intermediate.dense"),
        out: part("output.dense"), norm: norm("output"),
      });
    }
  }

  tokens(text) {
    const pieces = text.split(SentenceEncoder.SPECIAL).flatMap((part, i) =>
      i % 2 ? [part] : this.split(part).flatMap((word) => this.wordPieces(word)));
    return ["[CLS]", ...pieces.slice(0, SentenceEncoder.LONGEST - 2), "[SEP]"];
  }

  split(text) { // letter by letter, or a final Σ would become another letter than elsewhere
    const { CONTROL, ALONE } = SentenceEncoder;
    const plain = text.replace(CONTROL, "").normalize("NFD").replace(/\p{Mn}/gu, "");
    const lower = [...plain].map((letter) => letter.toLowerCase()).join("");
    return lower.replace(ALONE, " $1 ").split(/\s+/).filter(Boolean);
  }

  wordPieces(word) { // the longest piece that fits, again and again
    const pieces = [];
    if ([...word].length > 100) return ["[UNK]"];
    for (let from = 0, to; from < word.length; from = to) {
      const piece = () => (from ? "##" : "") + word.slice(from, to);
      for (to = word.length; to > from && !this.ids.has(piece()); to--);
      if (to === from) return ["[UNK]"];
      pieces.push(piece());
    }
    return pieces;
  }

  tokenStates(tokens) {
    const width = this.words.ins;
    const { words, positions } = this;
    const word = new Float32Array(width), position = new Float32Array(width);
    let x = new Float32Array(tokens.length * width);
    tokens.forEach((token, t) => {
      unpack(words.weight, words.scale, this.ids.get(token) * width, word);
      unpack(positions.weight, positions.scale, t * width, position);
      x.set(add(word, position), t * width);
    });
    x = layerNorm(x, this.norm, 1e-12);
    for (const layer of this.layers) {
      const [q, k, v] = [layer.query, layer.key, layer.value].map((part) => linear(x, part));
      const mixed = linear(attend(q, k, v, width, 12, false), layer.attentionOut);
      x = layerNorm(add(x, mixed), layer.attentionNorm, 1e-12);
      const inside = gelu(linear(x, layer.intermediate));
      x = layerNorm(add(x, linear(inside, layer.out)), layer.norm, 1e-12);
    }
    return x;
  }
}

// Pre-norm transformer with rotary positions and a cache of keys and values.
class Decoder {
  constructor(weights, name, heads = 6) {
    this.prefixProjection = weights.matrix(`${name}.prefix_projection`);
    this.norm = weights.norm(`${name}.norm`);
    this.width = this.prefixProjection.outs;
    this.heads = heads;
    this.blocks = [];
    for (let i = 0; `${name}.blocks.${i}.qkv.weight` in weights.header; i++) {
      const block = `${name}.blocks.${i}`;
      this.blocks.push({
        attentionNorm: weights.norm(`${block}.attention_norm`),
        qkv: weights.matrix(`${block}.qkv`), out: weights.matrix(`${block}.out`),
        mlpNorm: weights.norm(`${block}.mlp.0`),
        mlpIn: weights.matrix(`${block}.mlp.1`), mlpOut: weights.matrix(`${block}.mlp.3`),
      });
    }
  }

  // Runs new positions behind the cached ones → hidden state of the last (width,), cache.
  forward(embeds, cache = []) {
    const { width } = this;
    let x = embeds;
    const grown = this.blocks.map((block, i) => {
      const last = i + 1 === this.blocks.length ? width : x.length; // what is asked for
      const start = cache[i] ? cache[i].k.length / width : 0;
      const qkv = linear(layerNorm(x, block.attentionNorm, 1e-5), block.qkv);
      const part = (n) => Float32Array.from({ length: x.length }, (_, at) =>
        qkv[Math.floor(at / width) * 3 * width + n * width + (at % width)]);
      const q = this.rotate(part(0), start), k = this.rotate(part(1), start), v = part(2);
      const keys = cache[i] ? joined(cache[i].k, k) : k;
      const values = cache[i] ? joined(cache[i].v, v) : v;
      x = x.subarray(x.length - last);
      const mixed = attend(q.subarray(q.length - last), keys, values, width, this.heads, true);
      x = add(x, linear(mixed, block.out));
      const inside = gelu(linear(layerNorm(x, block.mlpNorm, 1e-5), block.mlpIn));
      x = add(x, linear(inside, block.mlpOut));
      return { k: keys, v: values };
    });
    return [layerNorm(x.subarray(x.length - width), this.norm, 1e-5), grown];
  }

  // Turns the pairs (x[i], x[i + half]) of every head by angles that grow with the position.
  rotate(x, start) {
    const { width } = this, size = width / this.heads, half = size / 2;
    const y = new Float32Array(x.length);
    for (let at = 0; at < x.length; at += size) {
      const position = start + Math.floor(at / width);
      for (let i = 0; i < half; i++) {
        const angle = position * 10000 ** (-2 * i / size), a = x[at + i], b = x[at + half + i];
        y[at + i] = a * Math.cos(angle) - b * Math.sin(angle);
        y[at + half + i] = a * Math.sin(angle) + b * Math.cos(angle);
      }
    }
    return y;
  }
}

// Where in the query a vector looks; `wanted` is the product of the library's query and key.
class Pointer {
  constructor(weights, name) {
    this.wanted = weights.matrix(`${name}.wanted`);
    [this.coverage] = weights.values(`${name}.coverage`);
    [this.weight] = weights.values(`${name}.weight`);
  }

  forward(hidden, states, seen) {
    const wanted = linear(hidden, this.wanted), width = wanted.length;
    const attention = softmax(seen.map((had, t) =>
      dot(wanted, states.subarray(t * width, (t + 1) * width)) / Math.sqrt(hidden.length)
      - this.coverage * had));
    return [normalise(mean(attention, states)).map((x) => x * this.weight), attention];
  }
}

class AMER {
  constructor(weights, name) {
    this.backbone = new Decoder(weights, `${name}.backbone`);
    this.pointer = new Pointer(weights, `${name}.pointer`);
    this.outputProjection = weights.matrix(`${name}.output_projection`);
    if (`${name}.input_projection.weight` in weights.header) {
      this.inputProjection = weights.matrix(`${name}.input_projection`);
    }
  }

  // Emits m vectors, each read back before the next → [{ vector (dim,), attention (L,) }, …].
  generate(states, m) {
    const emitted = [];
    let embeds = linear(states, this.backbone.prefixProjection);
    let seen = new Float64Array(states.length / this.backbone.prefixProjection.ins);
    let hidden, cache;
    for (let step = 0; step < m; step++) {
      [hidden, cache] = this.backbone.forward(embeds, cache);
      const [place, attention] = this.pointer.forward(hidden, states, seen);
      const vector = normalise(add(linear(hidden, this.outputProjection), place));
      emitted.push({ vector, attention });
      seen = add(seen, attention);
      if (step + 1 < m) embeds = linear(vector, this.inputProjection);
    }
    return emitted;
  }
}

// For each vector all documents by inner product, best first: { rows (N,), scores (N,) }.
function search(documents, vectors) {
  const N = documents.outs;
  const products = linear(vectors.reduce(joined), documents);
  return vectors.map((_, j) => {
    const own = products.subarray(j * N, (j + 1) * N);
    const rows = Int32Array.from(own.keys()).sort((a, b) => own[b] - own[a]);
    return { rows, scores: Float32Array.from(rows, (row) => own[row]) };
  });
}

// --- the worker ---

let loaded = null;

async function load(folder) {
  const [file, about] = await Promise.all([
    fetched(`${folder}weights.safetensors`),
    fetched(`${folder}corpus.json`).then((answer) => answer.json()),
  ]);
  const size = Number(file.headers.get("Content-Length"));
  const chunks = [];
  let had = 0;
  for (const reader = file.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    had += value.length;
    postMessage({ progress: had / size });
  }
  const weights = new Weights(await new Blob(chunks).arrayBuffer());
  loaded = {
    encoder: new SentenceEncoder(weights, about.vocabulary),
    amer: new AMER(weights, "amer"),
    single: new AMER(weights, "single"),
    documents: weights.matrix("documents", "documents"),
  };
  const { texts, map, temperature } = about;
  postMessage({ texts, map, temperature });
}

async function fetched(address) {
  const answer = await fetch(address, { cache: "no-cache" });
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer;
}

function answer(query, m) {
  const { encoder, amer, single, documents } = loaded;
  const start = performance.now();
  const tokens = encoder.tokens(query);
  const states = encoder.tokenStates(tokens);
  const average = normalise(mean(new Float32Array(tokens.length).fill(1), states));
  const emitted = [
    ...amer.generate(states, m), ...single.generate(states, 1), { vector: average },
  ];
  const lists = search(documents, emitted.map(({ vector }) => vector));
  const found = emitted.map((one, j) => ({ ...one, ...lists[j] }));
  const milliseconds = performance.now() - start;
  const [one, whole] = found.splice(m);
  return { query, tokens, vectors: found, single: one, whole, milliseconds };
}

onmessage = async ({ data }) => {
  try {
    if (data.folder) await load(data.folder);
    else postMessage({ answer: answer(data.query, data.m) });
  } catch (error) {
    postMessage({ error: String(error) });
  }
};
