// The playground: AMER's answer to a query as tokens, a map and lists. The library answered the
// examples (examples.js); where a reader may type, a worker answers (amer.js). Documents and
// queries reach the page as text only, and nothing leaves it.
(() => {
  "use strict";
  const HERE = document.currentScript.src, root = document.getElementById("playground");
  const M = 6, DEPTH = 100, PACE = 1400; // vectors, documents a list, milliseconds a step
  if (!window.examples) {
    root.textContent = "The playground's files are missing here: `make book` writes them.";
    return;
  }
  const { map, temperature, answers, megabytes } = window.examples;
  let { texts } = window.examples, answer = null; // texts by row: those in a list, or all
  const state = { m: M, rule: "mixture", k: Number(root.dataset.k), step: M };

  // An element with properties, attributes (of a name with a dash, and some more) and children.
  function make(tag, properties = {}, ...children) {
    const space = /^(svg|path|g)$/.test(tag) ? "http://www.w3.org/2000/svg" : root.namespaceURI;
    const made = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(properties)) {
      if (space === root.namespaceURI && name in made) made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }
  const press = (properties, ...children) =>
    make("button", { type: "button", ...properties }, ...children);
  const badge = (j) => make("b", { className: "badge", "data-vector": j }, j + 1);
  const letter = (name) => make("b", { className: "badge" }, name);

  const tokens = make("p", { className: "tokens" });
  const lines = make("g"), marks = make("div");
  const dots = make("path", { d: map.map((x, i) => (i % 2 ? `${x}h0` : `M${x} `)).join("") });
  const plane = make("div", { className: "map", role: "img" }, make("svg",
    { viewBox: "0 0 4095 4095", preserveAspectRatio: "none" }, dots, lines), marks);
  const merged = make("div", { className: "lists merged" });
  const lists = make("div", { className: "lists" });
  const chosen = make("div", { className: "chosen", "aria-live": "polite" });
  const steps = window.stepper(() => state.m, show, PACE);
  const examples = answers.map((one) => press({ onclick: () => present(one) }, one.query));
  root.replaceChildren(make("p", { className: "examples" }, ...examples), tokens, plane,
    steps.controls, merged, make("p", { className: "about" }, "What each vector finds by itself"),
    lists, chosen);

  function present(given, begin = () => steps.start(1)) {
    root.answer = answer = given; // on the element: for tests, and for who is curious
    state.document = state.vector = null;
    examples.forEach((one, i) => one.setAttribute("aria-pressed", answers[i] === answer));
    steps.go(state.m);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) begin();
  }

  function choose(what, value) { // a document or a vector; once more: none
    state[what] = state[what] === value ? null : value;
    show(state.step);
  }

  // The library's merges: m lists { rows, scores }, best first, become the k best rows. Ties in turn
  // order; a document counts once.
  function merge(vectors) {
    const belief = new Map(), hits = [];
    for (const list of vectors) {
      shares(list).forEach((share, rank) =>
        belief.set(list.rows[rank], (belief.get(list.rows[rank]) || 0) + share));
    }
    for (let rank = 0; rank < DEPTH; rank++) {
      for (const { rows: { [rank]: row }, scores } of vectors) {
        hits.push({ row, score: state.rule === "mixture" ? belief.get(row) : scores[rank] });
      }
    }
    if (state.rule !== "round_robin") hits.sort((a, b) => b.score - a.score);
    return [...new Set(hits.map(({ row }) => row))].slice(0, state.k);
  }

  function shares({ scores }) {
    const odds = [...scores.slice(0, DEPTH)].map((x) => Math.exp((x - scores[0]) / temperature));
    const total = odds.reduce((a, b) => a + b);
    return odds.map((x) => x / total);
  }

  const word = (row) => texts[row].split(": ", 1)[0];
  const first = ({ rows }) => [...rows.slice(0, state.k)];
  const right = (row) => answer.golds?.includes(row);
  const counted = (rows) =>
    (answer.golds ? `: ${rows.filter(right).length} of ${answer.golds.length} ✓` : "");
  const rivals = () =>
    [["S", "one tuned vector", answer.single], ["M", "MiniLM, whole query", answer.whole]];

  function titled(title, rows, badges = () => []) {
    const items = rows.map((row) => make("li", {}, press({ title: texts[row],
      onclick: () => choose("document", row), "aria-pressed": row === state.document },
      word(row), right(row) ? " ✓" : ""), ...badges(row).flatMap((made) => [" ", made])));
    const heading = make("p", { className: "title" }, ...title);
    return make("section", {}, heading, make("ol", {}, ...items));
  }

  // Shows the first vectors, up to the one of which it returns what it does.
  function show(step) {
    if (step !== state.step) state.vector = null;
    state.step = step;
    const vectors = answer.vectors.slice(0, step), best = root.merged = merge(vectors);
    const buttons = () => [...root.querySelectorAll("section button")];
    const focused = buttons().indexOf(document.activeElement); // it is about to be replaced
    tokens.replaceChildren(...answer.tokens.flatMap((token, t) => {
      const bars = vectors.map(({ attention }, j) => make("i", { "data-vector": j,
        style: `height: ${(1.6 * attention[t]).toFixed(2)}em` }));
      return [make("span", {}, token, make("span", { className: "bars" }, ...bars)), " "];
    }));
    const finders = (row) =>
      vectors.flatMap((list, j) => (first(list).includes(row) ? [badge(j)] : []));
    merged.replaceChildren(titled([`${step} of ${state.m} vectors${counted(best)}`], best, finders),
      ...rivals().map(([name, text, list]) =>
        titled([letter(name), ` ${text}${counted(first(list))}`], first(list))));
    lists.replaceChildren(...vectors.map((list, j) => titled([press({
      onclick: () => choose("vector", j), "aria-pressed": state.vector === j },
      badge(j), ` ${looksAt(list)}`)], first(list))));
    explain(vectors);
    draw(vectors, best);
    for (const part of root.querySelectorAll("[data-vector]")) {
      part.classList.toggle("later", ![null, Number(part.dataset.vector)].includes(state.vector));
    }
    if (focused >= 0) (buttons()[focused] || buttons()[0]).focus({ preventScroll: true });
    const last = vectors[step - 1];
    return `Vector ${step} looks at “${looksAt(last)}” and finds “${word(last.rows[0])}”.`;
  }

  function looksAt({ attention }) { // the word with the most attention in one of its pieces
    const at = attention.indexOf(Math.max(...attention));
    const begins = answer.tokens.map((token) => !token.startsWith("##"));
    const word = answer.tokens.slice(begins.lastIndexOf(true, at), begins.indexOf(true, at + 1));
    return word.join("").replaceAll("##", "") || answer.tokens[at];
  }

  function explain(vectors) {
    chosen.replaceChildren();
    if (state.document === null) return;
    const rank = ({ rows, scores }) => {
      const at = rows.indexOf(state.document);
      return at < 0 ? ` rank over ${rows.length}` : ` rank ${at + 1} (${scores[at].toFixed(2)})`;
    };
    const close = press({ onclick: () => choose("document", null) }, "Close");
    chosen.append(make("p", {}, `${texts[state.document]} `, close), make("ul", {},
      ...vectors.map((list, j) => make("li", {}, badge(j), rank(list))),
      ...rivals().map(([name, , list]) => make("li", {}, letter(name), rank(list)))));
  }

  // Places on the map are in units of 1/4095 of its sides.
  const place = (row) => [map[2 * row], map[2 * row + 1]];

  // A vector stands at the mean of its ten nearest documents, by their shares of its belief.
  function centre(list) {
    const part = shares(list).slice(0, 10), total = part.reduce((a, b) => a + b);
    return [0, 1].map((axis) => Math.round(part.reduce((sum, share, rank) =>
      sum + share / total * place(list.rows[rank])[axis], 0)));
  }

  function draw(vectors, best) {
    const taken = []; // boxes in pixels, so that nothing covers a number or a word
    const put = (made, [x, y], shift = 0) => {
      made.style = `left: ${x / 40.95}%; top: ${y / 40.95}%; margin-left: ${shift}px`;
      marks.append(made);
    };
    const free = ([x, y], left, up, wide) => { // takes its box if nothing is there
      const a = x * plane.clientWidth / 4095 + left, b = y * plane.clientHeight / 4095 - up;
      const covers = ([p, q, w]) => p < a + wide && a < p + w && Math.abs(q - b) < 16;
      const fits = a > -12 && a + wide < plane.clientWidth + 12 && !taken.some(covers);
      return fits && taken.push([a, b, wide]);
    };
    marks.replaceChildren();
    lines.replaceChildren(...vectors.map((list, j) => make("path", { "data-vector": j,
      d: first(list).map((row) => `M${centre(list)}L${place(row)}`).join("") })));
    vectors.forEach((list, j) => first(list).forEach((row) =>
      put(make("i", { "data-vector": j }), place(row))));
    for (const row of answer.golds || []) put(make("i", { className: "gold" }), place(row));
    const all = [...vectors.map((list, j) => [badge(j), list]),
      ...rivals().map(([name, , list]) => [letter(name), list])];
    for (const [made, list] of all) { // those that coincide stand side by side
      const beside = [0, 10, 20, -10, -20, 30, -30, 40, -40];
      put(made, centre(list), beside.find((shift) => free(centre(list), shift - 10, 0, 20)) || 0);
    }
    const named = [...(answer.golds || []), ...vectors.map(({ rows }) => rows[0]), ...best];
    for (const row of new Set(state.document === null ? named : [state.document, ...named])) {
      const wide = 7 * word(row).length;
      const left = [10, -10 - wide].find((from) => free(place(row), from, 12, wide));
      if (left) put(make("span", { className: "label" }, word(row)), place(row), left);
    }
    const said = vectors.map((list, j) => `vector ${j + 1} at ${word(list.rows[0])}`);
    plane.setAttribute("aria-label", `Map of the documents: ${said.join(", ")}.`);
  }

  plane.onclick = ({ target, clientX, clientY }) => {
    if (target.matches("b[data-vector]")) return choose("vector", Number(target.dataset.vector));
    const box = plane.getBoundingClientRect();
    const far = (row) => Math.hypot(box.left + place(row)[0] * box.width / 4095 - clientX,
      box.top + place(row)[1] * box.height / 4095 - clientY);
    const nearest = (rows) => rows.reduce((a, b) => (far(b) < far(a) ? b : a));
    const shown = nearest(answer.vectors.slice(0, state.step).flatMap(first));
    return choose("document", far(shown) < 16 ? shown : nearest(Object.keys(texts).map(Number)));
  };

  present(answers[0], () => steps.startInView(plane));

  function letType() { // a query of the reader's own
    const choice = (name, label, options) => {
      const select = make("select", { id: `playground-${name}`, onchange: () => {
        state[name] = name === "rule" ? select.value : Number(select.value);
        steps.go(name === "m" ? state.m : state.step);
      } }, ...options.map((value) => make("option", { value, selected: value === state[name] },
        `${value}`.replace("_", " "))));
      return make("span", {}, make("label", { htmlFor: select.id }, label), select);
    };
    tokens.before(make("div", { className: "bar", role: "group", "aria-label": "Settings" },
      choice("m", "vectors", [1, 2, 3, 4, 5, 6]), choice("k", "k", [5, 10, 20]),
      choice("rule", "merge", ["mixture", "round_robin", "max_score"])));
    const line = make("p", { role: "status" });
    root.prepend(line);
    if (location.protocol === "file:") {
      line.textContent = "A page that is opened as a file may not read the model. To type, run "
        + "`make serve` in the checkout and open http://localhost:8000/playground.html.";
      return;
    }
    const worker = new Worker(new URL("amer.js", HERE));
    const load = press({ className: "load", onclick: () => {
      load.disabled = true;
      worker.postMessage({ folder: new URL("playground/", HERE).href });
    } }, `Load the model (${megabytes} MB) and type your own`);
    const box = make("input", { type: "text", id: "playground-query", autocomplete: "off" });
    const form = make("form", { className: "bar", onsubmit: (event) => {
      event.preventDefault();
      const blank = !box.value.trim();
      line.textContent = blank ? "A blank query is refused: say what you look for." : "Reading …";
      if (!blank) worker.postMessage({ query: box.value, m: M });
    } }, make("label", { htmlFor: box.id }, "Your query"), box, make("button", {}, "Ask"));
    worker.onmessage = ({ data }) => {
      if (data.progress) line.textContent = `Loading … ${Math.round(100 * data.progress)} %`;
      if (data.texts) {
        ({ texts } = data);
        load.replaceWith(form);
        line.textContent = `${texts.length.toLocaleString("en")} documents are ready.`;
        box.focus();
      }
      if (data.answer) {
        present(data.answer);
        line.textContent = `${answer.tokens.length} tokens read, ${M} vectors emitted and every `
          + `document compared in ${Math.round(answer.milliseconds)} ms, on this machine.`;
      }
      if (data.error) line.textContent = `That failed: ${data.error}`;
      load.disabled = !data.error;
    };
    worker.onerror = ({ message }) => worker.onmessage({ data: { error: message || "no worker" } });
    line.before(load);
  }
  if ("typed" in root.dataset) letType();
  else examples.at(-1).after(make("a", { href: "playground.html" }, "Type your own …"));
})();
