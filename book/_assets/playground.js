// The playground: AMER's answer to a query as tokens, a map and lists. Examples were answered by the
// library when the book was built (examples.js); where a reader may type, a worker answers (amer.js).
// Documents and queries reach the page as text only, and nothing leaves it.
(() => {
  "use strict";
  const HERE = document.currentScript.src, root = document.getElementById("playground");
  const M = 6, PACE = 1400; // vectors, milliseconds a step
  const MERGES = { mixture: "mixture", round_robin: "round robin", max_score: "max score" };
  if (!window.examples) {
    root.textContent = "The playground's files are missing here: `make book` writes them.";
    return;
  }
  const { merge, shares } = window.merging;
  const { map, temperature, answers, megabytes } = window.examples;
  let { texts } = window.examples; // by row: of those documents that an example finds, or of all
  let answer = null;
  const state = { m: M, rule: "mixture", k: Number(root.dataset.k), step: M, document: null,
    vector: null };

  // An element with properties, attributes (of a name with a dash, and some more) and children.
  function make(tag, properties = {}, ...children) {
    const made = /^(svg|path|g)$/.test(tag)
      ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (/-|^(role|for|style|d|viewBox|preserveAspectRatio)$/.test(name)) {
        made.setAttribute(name, value);
      } else made[name] = value;
    }
    made.append(...children);
    return made;
  }
  const press = (properties, ...children) =>
    make("button", { type: "button", ...properties }, ...children);
  const badge = (j) => make("b", { className: "badge", "data-vector": j }, j + 1);

  // --- what there is to see ---
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

  const word = (row) => texts[row].split(": ", 1)[0];
  const first = (list) => [...list.rows.slice(0, state.k)];
  const rivals = () =>
    [["one tuned vector", answer.single], ["MiniLM, whole query", answer.whole]];

  function present(given, begin = () => steps.start(1)) {
    root.answer = answer = given; // on the element: for tests, and for who is curious
    state.document = state.vector = null;
    examples.forEach((one, i) => one.setAttribute("aria-pressed", answers[i] === answer));
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) steps.go(state.m);
    else begin();
  }

  function choose(what, value) { // a document or a vector; once more: none
    state[what] = state[what] === value ? null : value;
    show(state.step);
  }

  // Rows under a title, the right ones marked where they are known.
  function titled(title, rows, badges = () => []) {
    const right = (row) => answer.golds?.includes(row);
    const items = rows.map((row) => make("li", {}, press({ title: texts[row],
      onclick: () => choose("document", row), "aria-pressed": row === state.document },
      word(row), right(row) ? " ✓" : ""), ...badges(row).flatMap((made) => [" ", made])));
    const count = answer.golds ? `: ${rows.filter(right).length} of ${answer.golds.length} ✓` : "";
    return make("section", {}, make("p", { className: "title" }, ...title, count),
      make("ol", {}, ...items));
  }

  // Shows the first vectors, up to the one that is returned in words.
  function show(step) {
    if (step !== state.step) state.vector = null;
    state.step = step;
    const vectors = answer.vectors.slice(0, step);
    const best = root.merged = merge(vectors, state.rule, state.k, temperature);
    const buttons = () => [...root.querySelectorAll("section button")];
    const focused = buttons().indexOf(document.activeElement); // it is about to be replaced
    tokens.replaceChildren(...answer.tokens.flatMap((token, t) => {
      const bars = vectors.map(({ attention }, j) => make("i", { "data-vector": j,
        style: `height: ${(1.6 * attention[t]).toFixed(2)}em` }));
      return [make("span", {}, token, make("span", { className: "bars" }, ...bars)), " "];
    }));
    merged.replaceChildren(titled([`${step} of ${state.m} vectors`], best, (row) =>
      vectors.flatMap((list, j) => (first(list).includes(row) ? [badge(j)] : []))),
      ...rivals().map(([name, list]) => titled([name], first(list))));
    lists.replaceChildren(...vectors.map((list, j) => titled([press({
      onclick: () => choose("vector", j), "aria-pressed": state.vector === j },
      badge(j), ` ${looksAt(list)}`)], first(list))));
    explain(vectors);
    draw(vectors, best);
    for (const part of root.querySelectorAll("[data-vector]")) {
      const other = state.vector !== null && Number(part.dataset.vector) !== state.vector;
      part.classList.toggle("later", other);
    }
    if (focused >= 0) (buttons()[focused] || buttons()[0]).focus({ preventScroll: true });
    const last = vectors[step - 1];
    return `Vector ${step} looks at ${looksAt(last)} and finds “${word(last.rows[0])}”.`;
  }

  function looksAt({ attention }) { // the word with the most attention in one of its pieces
    let at = attention.indexOf(Math.max(...attention));
    while (answer.tokens[at].startsWith("##")) at--;
    let text = answer.tokens[at];
    while (answer.tokens[at + 1]?.startsWith("##")) text += answer.tokens[++at].slice(2);
    return `“${text}”`;
  }

  function explain(vectors) {
    chosen.replaceChildren();
    if (state.document === null) return;
    const rank = ({ rows, scores }) => {
      const at = rows.indexOf(state.document);
      return at < 0 ? `rank over ${rows.length}` : `rank ${at + 1} (${scores[at].toFixed(2)})`;
    };
    chosen.append(make("strong", {}, texts[state.document]), make("ul", {},
      ...vectors.map((list, j) => make("li", {}, badge(j), ` ${rank(list)}`)),
      ...rivals().map(([name, list]) => make("li", {}, `${name}: ${rank(list)}`))));
  }

  // --- the map, in units of 1/4095 of its sides ---
  const place = (row) => [map[2 * row], map[2 * row + 1]];

  // A vector stands at the mean of its ten nearest documents, by their shares of its belief.
  function centre(list) {
    const part = shares(list, temperature).slice(0, 10), total = part.reduce((a, b) => a + b);
    return [0, 1].map((axis) => Math.round(part.reduce((sum, share, rank) =>
      sum + share / total * place(list.rows[rank])[axis], 0)));
  }

  function draw(vectors, best) {
    const taken = [];
    const crowded = ([x, y], wide, high) => taken.filter(([a, b]) =>
      Math.abs(a - x) * plane.clientWidth < 4095 * wide
      && Math.abs(b - y) * plane.clientHeight < 4095 * high).length;
    const put = (made, [x, y], shift = 0) => {
      made.style = `left: ${x / 40.95}%; top: ${y / 40.95}%; margin-left: ${shift}px`;
      marks.append(made);
    };
    lines.replaceChildren(...vectors.map((list, j) => make("path", { "data-vector": j,
      d: first(list).map((row) => `M${centre(list)}L${place(row)}`).join("") })));
    marks.replaceChildren();
    vectors.forEach((list, j) => first(list).forEach((row) =>
      put(make("i", { "data-vector": j }), place(row))));
    const named = [...(answer.golds || []), ...vectors.map(({ rows }) => rows[0]), ...best];
    if (state.document !== null) named.unshift(state.document);
    (answer.golds || []).forEach((row) => put(make("i", { className: "gold" }), place(row)));
    for (const row of named) {
      if (crowded(place(row), 70, 15)) continue;
      const side = place(row)[0] > 3200 ? "label left" : "label";
      put(make("span", { className: side }, word(row)), place(row));
      taken.push(place(row));
    }
    taken.length = 0;
    const mark = (made, list) => { // those that coincide stand side by side
      put(made, centre(list), 16 * crowded(centre(list), 12, 12));
      taken.push(centre(list));
    };
    vectors.forEach((list, j) => mark(badge(j), list));
    rivals().forEach(([name, list]) =>
      mark(make("b", { className: "badge" }, name === "one tuned vector" ? "S" : "M"), list));
    const said = vectors.map((list, j) => `vector ${j + 1} at ${word(list.rows[0])}`);
    plane.setAttribute("aria-label", `Map of the documents: ${said.join(", ")}.`);
  }

  plane.onclick = ({ target, clientX, clientY }) => {
    if (target.matches(".badge[data-vector]")) return choose("vector", Number(target.dataset.vector));
    const box = plane.getBoundingClientRect();
    const far = (row) => Math.hypot(box.left + place(row)[0] * box.width / 4095 - clientX,
      box.top + place(row)[1] * box.height / 4095 - clientY);
    const nearest = (rows) => rows.reduce((a, b) => (far(b) < far(a) ? b : a));
    const shown = nearest(answer.vectors.slice(0, state.step).flatMap(first));
    // One that is shown goes before its unseen neighbours.
    return choose("document", far(shown) < 16 ? shown : nearest(Object.keys(texts).map(Number)));
  };

  present(answers[0], () => {
    show(M);
    steps.startInView(plane);
  });

  // --- where a reader may type ---
  function letType() {
    const choice = (name, label, options) => {
      const select = make("select", { id: `playground-${name}`, onchange: () => {
        state[name] = name === "rule" ? select.value : Number(select.value);
        steps.go(name === "m" ? state.m : state.step);
      } }, ...Object.entries(options).map(([value, text]) =>
        make("option", { value, selected: value === String(state[name]) }, text)));
      return make("span", {}, make("label", { for: select.id }, label), select);
    };
    const numbers = (...values) => Object.fromEntries(values.map((value) => [value, value]));
    tokens.before(make("div", { className: "row", role: "group", "aria-label": "Settings" },
      choice("m", "vectors", numbers(1, 2, 3, 4, 5, 6)), choice("rule", "merge", MERGES),
      choice("k", "k", numbers(5, 10, 20))));
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
    const form = make("form", { className: "row", onsubmit: (event) => {
      event.preventDefault();
      const blank = !box.value.trim();
      line.textContent = blank ? "A blank query is refused: say what you look for."
        : "Reading the query …";
      if (!blank) worker.postMessage({ query: box.value, m: M });
    } }, make("label", { for: box.id }, "Your query"), box, make("button", {}, "Ask"));
    const fail = (why) => {
      line.textContent = `That failed: ${why}`;
      load.disabled = false;
    };
    worker.onerror = ({ message }) => fail(message || "the page's worker cannot start");
    worker.onmessage = ({ data }) => {
      if (data.error) fail(data.error);
      if (data.progress) line.textContent = `Loading … ${Math.round(100 * data.progress)} %`;
      if (data.texts) {
        ({ texts } = data);
        load.replaceWith(form);
        box.focus();
        line.textContent = `${texts.length.toLocaleString("en")} documents are ready.`;
      }
      if (data.answer) {
        present(data.answer);
        const { tokens: read, milliseconds } = data.answer;
        line.textContent = `${read.length} tokens read, ${M} vectors emitted and every document `
          + `compared with them in ${Math.round(milliseconds)} ms, on this machine.`;
      }
    };
    line.before(load);
  }
  if ("typed" in root.dataset) letType();
})();
