// AMER in the reader's browser, as a worker: text → token states → vectors → documents, ranked.
// The names are those of the library, whose numbers these are: weights and documents are int8 with
// scales, activations are floats. A matrix of states (L, width) is one Float32Array.
"use strict";
importScripts("tensors.js");

// A safetensors file: a JSON header, its length before it, and the numbers behind it.
class Weights {
  constructor(buffer) {
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    this.header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
    this.buffer = buffer;
    this.start = 8 + length;
  }

  values(name) {
    if (!(name in this.header)) return null;
    const { dtype, data_offsets: [from, to] } = this.header[name];
    const Kind = dtype === "I8" ? Int8Array : Float32Array;
    return new Kind(this.buffer, this.start + from, (to - from) / Kind.BYTES_PER_ELEMENT);
  }

  matrix(name) {
    const [weight, scale, bias] =
      ["weight", "weight.scale", "bias"].map((part) => this.values(`${name}.${part}`));
    const [outs, ins] = this.header[`${name}.weight`].shape;
    return { weight, scale, bias, outs, ins };
  }

  norm(name, epsilon) {
    return { weight: this.values(`${name}.weight`), bias: this.values(`${name}.bias`), epsilon };
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
    const matrix = (name) => weights.matrix(name), norm = (name) => weights.norm(name, 1e-12);
    this.ids = new Map(vocabulary.map((piece, id) => [piece, id]));
    this.words = matrix("embeddings.word_embeddings");
    this.positions = matrix("embeddings.position_embeddings");
    this.norm = norm("embeddings.LayerNorm");
    this.layers = Array.from({ length: 6 }, (_, i) => `encoder.layer.${i}`).map((layer) => ({
      query: matrix(`${layer}.attention.self.query`), key: matrix(`${layer}.attention.self.key`),
      value: matrix(`${layer}.attention.self.value`),
      mix: matrix(`${layer}.attention.output.dense`),
      mixNorm: norm(`${layer}.attention.output.LayerNorm`),
      intermediate: matrix(`${layer}.intermediate.dense`),
      out: matrix(`${layer}.output.dense`), outNorm: norm(`${layer}.output.LayerNorm`),
    }));
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
    const { words, positions } = this, width = words.ins;
    let x = new Float32Array(tokens.length * width);
    tokens.forEach((token, t) => {
      x.set(add(row(words, this.ids.get(token)), row(positions, t)), t * width);
    });
    x = layerNorm(x, this.norm);
    for (const layer of this.layers) {
      const [q, k, v] = [layer.query, layer.key, layer.value].map((part) => linear(x, part));
      x = layerNorm(add(x, linear(attend(q, k, v, width, 12), layer.mix)), layer.mixNorm);
      const inside = gelu(linear(x, layer.intermediate));
      x = layerNorm(add(x, linear(inside, layer.out)), layer.outNorm);
    }
    return x;
  }
}

// Pre-norm transformer of one block, with rotary positions and a cache of keys and values.
class Decoder {
  constructor(weights, name, heads = 6) {
    const matrix = (part) => weights.matrix(`${name}.${part}`);
    const norm = (part) => weights.norm(`${name}.${part}`, 1e-5);
    this.heads = heads;
    this.prefixProjection = matrix("prefix_projection");
    this.width = this.prefixProjection.outs;
    this.attentionNorm = norm("blocks.0.attention_norm");
    this.qkv = thirds(matrix("blocks.0.qkv"));
    this.out = matrix("blocks.0.out");
    this.mlpNorm = norm("blocks.0.mlp.0");
    this.mlpIn = matrix("blocks.0.mlp.1");
    this.mlpOut = matrix("blocks.0.mlp.3");
    this.norm = norm("norm");
  }

  // Reads new positions behind the cached ones → hidden state of the last (width,), cache.
  forward(embeds, cache = { k: new Float32Array(0), v: new Float32Array(0) }) {
    const { width, heads } = this, start = cache.k.length / width;
    const read = layerNorm(embeds, this.attentionNorm), last = embeds.length - width;
    const [q, k, v] = [read.subarray(last), read, read].map((x, i) => linear(x, this.qkv[i]));
    const grown = { k: joined(cache.k, this.rotate(k, start)), v: joined(cache.v, v) };
    const turned = this.rotate(q, start + last / width);
    const mixed = attend(turned, grown.k, grown.v, width, heads);
    let x = add(embeds.subarray(last), linear(mixed, this.out));
    x = add(x, linear(gelu(linear(layerNorm(x, this.mlpNorm), this.mlpIn)), this.mlpOut));
    return [layerNorm(x, this.norm), grown];
  }

  // Turns the pairs (x[i], x[i + half]) of every head by angles that grow with the position.
  rotate(x, start) {
    const size = this.width / this.heads, half = size / 2, y = new Float32Array(x.length);
    for (let at = 0; at < x.length; at += size) {
      const position = start + Math.floor(at / this.width);
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
    [[this.coverage], [this.weight]] =
      ["coverage", "weight"].map((one) => weights.values(`${name}.${one}`));
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
    this.inputProjection = weights.matrix(`${name}.input_projection`);
  }

  // Emits m vectors, each read back before the next → [{ vector (dim,), attention (L,) }, …].
  generate(states, m) {
    const emitted = [], { prefixProjection } = this.backbone;
    let seen = new Float64Array(states.length / prefixProjection.ins);
    let [hidden, cache] = this.backbone.forward(linear(states, prefixProjection));
    for (;;) {
      const [place, attention] = this.pointer.forward(hidden, states, seen);
      const vector = normalise(add(linear(hidden, this.outputProjection), place));
      emitted.push({ vector, attention });
      if (emitted.length === m) return emitted;
      seen = add(seen, attention);
      [hidden, cache] = this.backbone.forward(linear(vector, this.inputProjection), cache);
    }
  }
}

// For each vector all documents by inner product, best first: { rows (N,), scores (N,) }.
function search(documents, vectors) {
  const N = documents.outs, products = linear(vectors.reduce(joined), documents);
  return vectors.map((_, j) => {
    const own = products.subarray(j * N, (j + 1) * N);
    const rows = Int32Array.from(own.keys()).sort((a, b) => own[b] - own[a]);
    return { rows, scores: Float32Array.from(rows, (row) => own[row]) };
  });
}

let model = null; // of the worker
async function load(folder) {
  const fetched = async (name) => {
    const answer = await fetch(folder + name, { cache: "no-cache" });
    if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}`);
    return answer;
  };
  const { texts, vocabulary } = await (await fetched("corpus.json")).json();
  const file = await fetched("weights.safetensors");
  const chunks = [], reader = file.body.getReader();
  for (let had = 0, part; !(part = await reader.read()).done; chunks.push(part.value)) {
    had += part.value.length;
    postMessage({ progress: had / Number(file.headers.get("Content-Length")) });
  }
  const weights = new Weights(await new Blob(chunks).arrayBuffer());
  model = {
    encoder: new SentenceEncoder(weights, vocabulary), documents: weights.matrix("documents"),
    amer: new AMER(weights, "amer"), single: new AMER(weights, "single"),
  };
  postMessage({ texts });
}

function answer(query, m) {
  const start = performance.now();
  const tokens = model.encoder.tokens(query), states = model.encoder.tokenStates(tokens);
  const average = normalise(mean(new Float32Array(tokens.length).fill(1), states));
  const emitted =
    [...model.amer.generate(states, m), ...model.single.generate(states, 1), { vector: average }];
  const lists = search(model.documents, emitted.map(({ vector }) => vector));
  const found = emitted.map((one, j) => ({ ...one, ...lists[j] }));
  const milliseconds = performance.now() - start, [single, whole] = found.splice(m);
  return { query, tokens, vectors: found, single, whole, milliseconds };
}

onmessage = async ({ data }) => {
  try {
    if (data.folder) await load(data.folder);
    else postMessage({ answer: answer(data.query, data.m) });
  } catch (error) {
    postMessage({ error: String(error) });
  }
};
