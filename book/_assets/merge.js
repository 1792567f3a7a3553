// The library's merges for the playground: lists { rows (N,), scores (N,) }, best first, become one.
window.merging = (() => {
  "use strict";
  const DEPTH = 100; // of each list

  // m lists → the k best hits { row, list }. Ties in turn order; a document counts once.
  function merge(lists, rule, k, temperature) {
    const hits = [];
    for (let rank = 0; rank < DEPTH; rank++) {
      lists.forEach(({ rows, scores }, list) => {
        hits.push({ row: rows[rank], score: scores[rank], list });
      });
    }
    if (rule === "mixture") {
      const belief = new Map();
      lists.forEach((list) => shares(list, temperature).forEach((share, rank) =>
        belief.set(list.rows[rank], (belief.get(list.rows[rank]) || 0) + share)));
      for (const hit of hits) hit.score = belief.get(hit.row);
    }
    if (rule !== "round_robin") hits.sort((a, b) => b.score - a.score);
    const seen = new Set();
    return hits.filter(({ row }) => !seen.has(row) && seen.add(row)).slice(0, k);
  }

  function shares({ scores }, temperature) {
    const top = scores.subarray(0, DEPTH);
    const odds = Array.from(top, (x) => Math.exp((x - scores[0]) / temperature));
    const total = odds.reduce((a, b) => a + b);
    return odds.map((x) => x / total);
  }

  return { merge, shares };
})();
