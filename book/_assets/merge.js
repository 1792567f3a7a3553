// The library's merges for the playground: lists { rows, scores }, best first, become one.
window.merging = (() => {
  "use strict";
  const DEPTH = 100; // of each list

  // m lists → the k best rows. Ties in turn order; a document counts once.
  function merge(lists, rule, k, temperature) {
    const belief = new Map(), hits = [];
    for (const list of lists) {
      shares(list, temperature).forEach((share, rank) =>
        belief.set(list.rows[rank], (belief.get(list.rows[rank]) || 0) + share));
    }
    for (let rank = 0; rank < DEPTH; rank++) {
      for (const { rows, scores } of lists) {
        const row = rows[rank];
        hits.push({ row, score: rule === "mixture" ? belief.get(row) : scores[rank] });
      }
    }
    if (rule !== "round_robin") hits.sort((a, b) => b.score - a.score);
    return [...new Set(hits.map(({ row }) => row))].slice(0, k);
  }

  function shares({ scores }, temperature) {
    const top = [...scores.slice(0, DEPTH)];
    const odds = top.map((x) => Math.exp((x - scores[0]) / temperature));
    const total = odds.reduce((a, b) => a + b);
    return odds.map((x) => x / total);
  }

  return { merge, shares };
})();
