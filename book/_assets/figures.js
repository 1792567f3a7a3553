// Draws the page's plotly figures and gives them the colours of its theme. A figure comes as JSON in
// a script element behind its empty place; plotly (5 MB) is fetched only where there is a figure, and
// after the page's text. Of the colours only what plotly's layout inherits or leaves at its
// template's value is touched; those that an author gave to traces and annotations stay.
(() => {
  "use strict";
  const PLOTLY = new URL("plotly.min.js", document.currentScript.src);
  const THEMES = {
    light: { ink: "#24292f", line: "#8a8f98", grid: "#d8dee4", panel: "#ffffff", active: "#dbeafe" },
    dark: { ink: "#e6edf3", line: "#8a8f98", grid: "#3b434d", panel: "#22272e", active: "#2f4a66" },
  };

  const axisColours = (c) => ({ gridcolor: c.grid, linecolor: c.line, zerolinecolor: c.line });
  const flatten = (prefix, values) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}.${key}`, value]));

  // Layout changes for one figure: its axes, scenes and controls are found in the full layout.
  function restyle(figure, c) {
    const full = figure._fullLayout;
    const update = {
      "font.color": c.ink,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      "legend.bgcolor": "rgba(0,0,0,0)",
      "hoverlabel.bgcolor": c.panel,
      "hoverlabel.bordercolor": c.line,
      "hoverlabel.font.color": c.ink,
      "modebar.color": c.line,
      "modebar.activecolor": c.ink,
      "modebar.bgcolor": "rgba(0,0,0,0)",
    };
    const phone = full.width < 480;
    const first = !figure.dataset.theme;
    for (const key of Object.keys(full)) {
      if (/^[xy]axis\d*$/.test(key)) Object.assign(update, flatten(key, axisColours(c)));
      if (/^scene\d*$/.test(key)) {
        for (const axis of ["xaxis", "yaxis", "zaxis"]) {
          Object.assign(update, flatten(`${key}.${axis}`, { ...axisColours(c), color: c.ink }));
        }
        // A narrow scene is cut off at its sides: step back, once, before the reader turns it.
        if (phone && first) {
          const { x, y, z } = full[key].camera.eye;
          update[`${key}.camera.eye`] = { x: 1.4 * x, y: 1.4 * y, z: 1.4 * z };
        }
      }
    }
    (full.sliders || []).forEach((_, i) =>
      Object.assign(update, flatten(`sliders[${i}]`, {
        bgcolor: c.grid, activebgcolor: c.line, bordercolor: c.line, tickcolor: c.line,
        "font.color": c.ink, "currentvalue.font.color": c.ink,
      })));
    (full.updatemenus || []).forEach((_, i) =>
      Object.assign(update, flatten(`updatemenus[${i}]`, {
        bgcolor: c.panel, bordercolor: c.line, "font.color": c.ink,
      })));
    (full.annotations || []).forEach((annotation, i) => {
      if (annotation.showarrow) update[`annotations[${i}].arrowcolor`] = c.line;
    });
    return update;
  }

  const current = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");

  const drawn = (root = document) =>
    [...root.querySelectorAll(".plotly-graph-div")].filter((figure) => figure._fullLayout);

  function applyTheme() {
    const theme = current();
    const colours = THEMES[theme];
    document.documentElement.style.setProperty("--plot-active", colours.active);
    for (const figure of drawn()) {
      if (figure.dataset.theme !== theme) {
        window.Plotly.relayout(figure, restyle(figure, colours)).then(() => {
          figure.dataset.theme = theme;
        });
      }
    }
  }

  // A page is printed in light colours, and no figure is wider than its paper.
  function print(event) {
    const root = document.documentElement;
    const before = event.type === "beforeprint";
    if (before) root.dataset.screenTheme ??= root.dataset.theme; // the event may come twice
    root.dataset.theme = before ? "light" : root.dataset.screenTheme;
    const narrow = (figure) => Math.min(figure.clientWidth, 600);
    for (const figure of drawn()) {
      window.Plotly.relayout(figure, before ? { width: narrow(figure) } : { autosize: true });
    }
    if (!before) delete root.dataset.screenTheme;
    applyTheme();
  }

  const fetchPlotly = () => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    Object.assign(script, { src: PLOTLY, onload: resolve, onerror: reject });
    document.head.append(script);
  });

  async function start() {
    const places = [...document.querySelectorAll("figure.plot > .plotly-graph-div")];
    if (!places.length) return;
    try {
      await fetchPlotly();
    } catch {
      for (const place of places) place.textContent = `No figure: ${PLOTLY} cannot be loaded.`;
      return;
    }
    for (const place of places) {
      await window.Plotly.newPlot(place, JSON.parse(place.nextElementSibling.textContent));
      applyTheme();
    }
    new MutationObserver(applyTheme).observe(document.documentElement, {
      attributes: true, attributeFilter: ["data-theme"],
    });
    // A figure in a closed dropdown or tab has no size when it is drawn: size it when it is shown.
    document.addEventListener("toggle", (event) => {
      for (const figure of drawn(event.target)) window.Plotly.Plots.resize(figure);
    }, true);
    for (const event of ["beforeprint", "afterprint"]) window.addEventListener(event, print);
  }

  start(); // the script is deferred: the page has been read
})();
