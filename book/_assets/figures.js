// Gives every plotly figure the colours of the page's theme, and again when the reader switches it.
// Only what plotly's layout inherits or leaves at its template's value is touched; colours that an
// author gave to traces and annotations on purpose stay.
(() => {
  "use strict";
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

  function applyTheme() {
    const theme = current();
    const colours = THEMES[theme];
    document.documentElement.style.setProperty("--plot-active", colours.active);
    for (const figure of document.querySelectorAll(".plotly-graph-div")) {
      if (figure._fullLayout && figure.dataset.theme !== theme) {
        window.Plotly.relayout(figure, restyle(figure, colours)).then(() => {
          figure.dataset.theme = theme;
        });
      }
    }
  }

  // A figure in a closed dropdown or tab has no size when it is drawn: size it when it is shown.
  function resizeInside(element) {
    for (const figure of element.querySelectorAll(".plotly-graph-div")) {
      if (figure._fullLayout) window.Plotly.Plots.resize(figure);
    }
  }

  function start() {
    if (!window.Plotly) return;
    applyTheme();
    new MutationObserver(applyTheme).observe(document.documentElement, {
      attributes: true, attributeFilter: ["data-theme"],
    });
    document.addEventListener("toggle", (event) => resizeInside(event.target), true);
  }

  if (document.readyState === "complete") start();
  else window.addEventListener("load", start);
})();
