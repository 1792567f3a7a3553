// The playground: the reader's query, answered by AMER in a worker (amer.js), as tokens, a map and
// lists. Documents and queries reach the page as text only, and nothing leaves it.
(() => {
  "use strict";
  const HERE = document.currentScript.src;
  const { merge, shares } = window.merging;
  const M = 6, PACE = 900; // vectors, milliseconds a step
  const COLOURS = ["#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00"];
  const EXAMPLES = [
    "a violin, the moon and a tax", "look up banana as well as bridge as well as tiger",
    "define guitar, violin, trumpet", "tell me about crane", "what frost means, what a judge is",
  ];
  const MERGES = { mixture: "mixture", round_robin: "round robin", max_score: "max score" };

  // An element with properties, attributes (of a name with a dash, and role) and children.
  function make(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (/-|^(role|for|style)$/.test(name)) made.setAttribute(name, value);
      else made[name] = value;
    }
    made.append(...children);
    return made;
  }

  function setUp(root) {
    const worker = new Worker(new URL("amer.js", HERE));
    const state = { m: M, rule: "mixture", k: 10, step: 0, document: null };
    let corpus = null, answer = null, timer = 0;

    // --- what there is to press ---
    const line = make("p", { className: "status", role: "status" });
    const box = make("input", {
      type: "text", id: "playground-query", autocomplete: "off", value: EXAMPLES[0],
    });
    const form = make("form", { className: "ask", onsubmit: (event) => {
      event.preventDefault();
      ask();
    } }, make("label", { for: box.id }, "Your query"), box, make("button", {}, "Ask"));
    const examples = make("p", { className: "examples" }, ...EXAMPLES.map((example) =>
      make("button", { type: "button", onclick: () => { box.value = example; ask(); } }, example)));
    const choice = (name, label, options) => {
      const select = make("select", { id: `playground-${name}`, onchange: () => {
        state[name] = name === "rule" ? select.value : Number(select.value);
        if (name === "m") state.step = state.m;
        show();
      } }, ...Object.entries(options).map(([value, text]) =>
        make("option", { value, selected: value === String(state[name]) }, text)));
      return make("span", {}, make("label", { for: select.id }, label), select);
    };
    const numbers = (...values) => Object.fromEntries(values.map((value) => [value, value]));
    const play = make("button", { type: "button", onclick: () => (timer ? pause() : start()) });
    const step = (by) => () => { pause(); go(state.step + by); };
    const controls = make("div", { className: "controls", role: "group", "aria-label": "Settings" },
      choice("m", "vectors", numbers(1, 2, 3, 4, 5, 6)), choice("rule", "merge", MERGES),
      choice("k", "k", numbers(5, 10, 20)),
      make("button", { type: "button", onclick: step(-1) }, "Back"), play,
      make("button", { type: "button", onclick: step(1) }, "Next vector"));
    const tokens = make("p", { className: "tokens" });
    const map = make("canvas", { role: "img" });
    const chosen = make("div", { className: "chosen", "aria-live": "polite" });
    const merged = make("div", { className: "lists merged" });
    const lists = make("div", { className: "lists" });
    const about = (text) => make("p", { className: "about" }, text);
    const result = make("div", { hidden: true }, controls, tokens, make("figure", {}, map), chosen,
      about("The merged list, beside two rivals that search once. Choose a document: who ranks it "
        + "where?"), merged, about("What each vector finds"), lists);

    // --- asking ---
    function ask() {
      pause();
      if (!box.value.trim()) {
        line.textContent = "Type what you look for; a blank query is refused.";
        return;
      }
      line.textContent = "Reading the query …";
      worker.postMessage({ query: box.value, m: M });
    }

    function fail(why) {
      line.textContent = `That failed: ${why}`;
      load.disabled = false;
    }

    worker.onerror = ({ message }) => fail(message || "the page's worker cannot start");
    worker.onmessage = ({ data }) => {
      if (data.error) fail(data.error);
      if (data.progress) line.textContent = `Loading … ${Math.round(100 * data.progress)} %`;
      if (data.texts) {
        corpus = data;
        root.replaceChildren(form, examples, line, result);
        result.hidden = false;
        ask();
      }
      if (data.answer) {
        answer = data.answer;
        root.answer = answer; // for tests, and for who is curious
        state.document = null;
        const found = `${corpus.texts.length.toLocaleString("en")} documents searched`;
        line.textContent = `${answer.tokens.length} tokens read, ${M} vectors emitted and `
          + `${found} in ${Math.round(answer.milliseconds)} ms, on this machine.`;
        if (matchMedia("(prefers-reduced-motion: reduce)").matches) go(state.m);
        else start();
      }
    };

    // --- steps ---
    function go(to) {
      state.step = Math.max(1, Math.min(state.m, to));
      if (state.step === state.m) pause();
      show();
    }
    function pause() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
    }
    function start() {
      pause();
      play.textContent = "Pause";
      timer = setInterval(() => go(state.step + 1), PACE);
      go(1);
    }

    // --- what there is to see ---
    const word = (row) => corpus.texts[row].split(": ", 1)[0];
    const fill = (j) => `background: ${COLOURS[j]}`;
    const badge = (j) => make("b", { className: "badge", style: fill(j) }, j + 1);
    const rivals = () => [
      ["one tuned vector", answer.single], ["MiniLM, whole query", answer.whole],
    ];

    function item(row, badges = []) {
      const press = () => { state.document = row; show(); };
      const button = make("button", { type: "button", title: corpus.texts[row], onclick: press,
        "aria-pressed": row === state.document }, word(row));
      return make("li", {}, button, ...badges.flatMap((made) => [" ", made]));
    }
    const titled = (title, items) =>
      make("section", {}, make("h3", {}, ...title), make("ol", {}, ...items));

    function show() {
      if (!answer) return;
      const { k } = state, vectors = answer.vectors.slice(0, state.step);
      const first = (list) => [...list.rows.subarray(0, k)];
      const items = () => [...result.querySelectorAll("li button")];
      const focused = items().indexOf(document.activeElement); // it is about to be replaced
      const best = merge(vectors, state.rule, k, corpus.temperature);
      root.merged = best.map(({ row }) => row);
      tokens.replaceChildren(...answer.tokens.flatMap((token, t) => {
        const bars = vectors.map(({ attention }, j) => make("i", {
          style: `${fill(j)}; height: ${(1.6 * attention[t]).toFixed(2)}em` }));
        const below = make("span", { className: "bars", "aria-hidden": "true" }, ...bars);
        return [make("span", {}, token, below), " "];
      }));
      merged.replaceChildren(
        titled([`${state.step} of ${state.m} vectors, ${MERGES[state.rule]}`], best.map(({ row }) =>
          item(row, vectors.flatMap((list, j) => (first(list).includes(row) ? [badge(j)] : []))))),
        ...rivals().map(([name, list]) =>
          titled([name], first(list).map((row) => item(row)))));
      lists.replaceChildren(...vectors.map((list, j) =>
        titled([badge(j), ` looks at ${looksAt(list)}`], first(list).map((row) => item(row)))));
      if (focused >= 0) (items()[focused] || items()[0]).focus();
      explain(vectors);
      draw(vectors, best);
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
      const ranks = (list) => {
        const at = list.rows.indexOf(state.document);
        return `rank ${(at + 1).toLocaleString("en")} (${list.scores[at].toFixed(2)})`;
      };
      chosen.append(make("strong", {}, corpus.texts[state.document]), make("ul", {},
        ...vectors.map((list, j) => make("li", {}, badge(j), ` ${ranks(list)}`)),
        ...rivals().map(([name, list]) => make("li", {}, `${name}: ${ranks(list)}`))));
    }

    // --- the map ---
    const place = (row) => [corpus.map[2 * row], corpus.map[2 * row + 1]].map((x, axis) =>
      12 + (x / 4095) * ((axis ? map.clientHeight : map.clientWidth) - 24));

    // A vector stands at the mean of its ten nearest documents, by their shares of its belief.
    function centre(list) {
      const at = [0, 0], part = shares(list, corpus.temperature).slice(0, 10);
      const total = part.reduce((a, b) => a + b);
      part.forEach((share, rank) => place(list.rows[rank]).forEach((x, axis) => {
        at[axis] += (share / total) * x;
      }));
      return at;
    }

    function draw(vectors, best) {
      const ratio = devicePixelRatio, [width, height] = [map.clientWidth, map.clientHeight];
      Object.assign(map, { width: width * ratio, height: height * ratio });
      const pen = map.getContext("2d");
      const style = getComputedStyle(root), ink = style.color;
      const paper = style.getPropertyValue("--pst-color-background");
      pen.scale(ratio, ratio);
      const disc = ([x, y], radius, fill) => {
        pen.beginPath();
        pen.arc(x, y, radius, 0, 7);
        Object.assign(pen, { fillStyle: fill, strokeStyle: ink, lineWidth: 1 });
        pen.fill();
        pen.stroke();
      };
      const write = (text, [x, y], size, fill) => {
        Object.assign(pen, { font: `${size}px sans-serif`, textBaseline: "middle",
          fillStyle: fill, strokeStyle: paper, lineWidth: 4, lineJoin: "round" });
        if (fill === ink) pen.strokeText(text, x, y);
        pen.fillText(text, x, y);
      };
      Object.assign(pen, { fillStyle: "#8A8F98", globalAlpha: 0.45 });
      for (let row = 0; row < corpus.texts.length; row++) pen.fillRect(...place(row), 1.3, 1.3);
      pen.globalAlpha = 1;
      vectors.forEach((list, j) => {
        const from = centre(list);
        for (const row of list.rows.subarray(0, state.k)) {
          pen.beginPath();
          pen.moveTo(...from);
          pen.lineTo(...place(row));
          Object.assign(pen, { strokeStyle: COLOURS[j], lineWidth: 1 });
          pen.stroke();
          disc(place(row), 3, COLOURS[j]);
        }
      });
      const crowded = [];
      const label = (row) => {
        const [x, y] = place(row), size = pen.measureText(word(row)).width;
        const at = [x + 7 + size > width ? x - 10 - size : x + 7, y - 9];
        if (crowded.some(([a, b]) => Math.abs(a - at[0]) < 60 && Math.abs(b - at[1]) < 13)) return;
        crowded.push(at);
        write(word(row), at, 13, ink);
      };
      pen.font = "13px sans-serif";
      if (state.document !== null) {
        disc(place(state.document), 6, ink);
        label(state.document);
      }
      vectors.forEach((list) => label(list.rows[0]));
      best.forEach(({ row }) => label(row));
      const mark = (at, name, fill) => {
        disc(at, 10, fill);
        write(name, [at[0] - 3.5, at[1] + 0.5], 12, "#000");
      };
      mark(centre(answer.whole), "M", "#fff");
      mark(centre(answer.single), "S", "#fff");
      vectors.forEach((list, j) => mark(centre(list), String(j + 1), COLOURS[j]));
      const said = vectors.map((list, j) => `vector ${j + 1} at ${word(list.rows[0])}`);
      map.setAttribute("aria-label", `Map of the documents: ${said.join(", ")}.`);
    }

    map.onclick = ({ offsetX, offsetY }) => {
      const far = (row) => Math.hypot(place(row)[0] - offsetX, place(row)[1] - offsetY);
      const shown = answer.vectors.flatMap(({ rows }) => [...rows.subarray(0, state.k)]);
      const near = (rows) => rows.reduce((a, b) => (far(b) < far(a) ? b : a));
      const hit = near(shown); // a document that is shown goes before its unseen neighbours
      state.document = far(hit) < 12 ? hit : near([...corpus.texts.keys()]);
      show();
    };
    new ResizeObserver(show).observe(map);
    new MutationObserver(show).observe(document.documentElement,
      { attributeFilter: ["data-theme"] });

    // --- the beginning ---
    const files = new URL("playground/", HERE).href;
    const load = make("button", { type: "button", className: "load", onclick: () => {
      load.disabled = true;
      worker.postMessage({ folder: files });
    } });
    fetch(`${files}weights.safetensors`, { method: "HEAD" }).then((head) => {
      if (!head.ok) throw new Error(head.status);
      const megabytes = Math.round(head.headers.get("Content-Length") / 1e6);
      load.textContent = `Load the model (${megabytes} MB)`;
      root.replaceChildren(load, line);
    }).catch(() => {
      root.textContent = "The model's files are missing here. `make book` writes them.";
    });
  }

  const root = document.getElementById("playground");
  if (location.protocol === "file:") {
    root.textContent = "A page that is opened as a file may not read the model's files. "
      + "Run `make serve` in the checkout and open http://localhost:8000/playground.html.";
  } else setUp(root);
})();
