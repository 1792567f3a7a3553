// What a mouse can do with a page, keys can do too: plotly draws its buttons, menus and sliders as
// bare shapes, and text that scrolls sideways cannot be reached by Tab in every browser.
(() => {
  "use strict";
  const BUTTONS = ".updatemenu-header, .updatemenu-button, .updatemenu-dropdown-button";
  const SLIDERS = ".slider-group";
  const SCROLLED = "div.highlight pre, table, div.math, mjx-container, .cell_output .output > *";
  const STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -1e9, End: 1e9 };

  const set = (element, values) => {
    for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
  };
  const number = (figure, selector, element) =>
    [...figure.querySelectorAll(selector)].indexOf(element);
  const slider = (figure, group) =>
    figure._fullLayout.sliders.filter((one) => one.visible)[number(figure, SLIDERS, group)];

  function name(figure) {
    for (const button of figure.querySelectorAll(BUTTONS)) {
      const words = button.querySelector("text");
      set(button, { role: "button", tabindex: 0, "aria-label": words ? words.textContent : "" });
    }
    for (const group of figure.querySelectorAll(SLIDERS)) {
      const { active, steps, currentvalue } = slider(figure, group);
      const label = (currentvalue.prefix || "").replace(/[\s:=]+$/, "") || "position";
      set(group, {
        role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 0,
        "aria-valuemax": steps.length - 1, "aria-valuenow": active,
        "aria-valuetext": steps[active].label,
      });
    }
  }

  // Plotly draws a menu anew when it is opened or used: the focus goes to what took its place.
  function press(figure, button) {
    const at = number(figure, BUTTONS, button);
    button.dispatchEvent(new MouseEvent("click", { bubbles: true, view: window }));
    requestAnimationFrame(() => {
      name(figure);
      const now = [...figure.querySelectorAll(BUTTONS)];
      if (!button.isConnected) (now[at] || now[0]).focus();
    });
  }

  async function pull(figure, group, by) {
    const { active, steps } = slider(figure, group);
    const next = Math.max(0, Math.min(steps.length - 1, active + by));
    const at = figure._fullLayout.sliders.indexOf(slider(figure, group));
    const { method, args } = steps[next];
    if (method !== "skip") await window.Plotly[method](figure, ...args);
    await window.Plotly.relayout(figure, { [`sliders[${at}].active`]: next });
    name(figure);
  }

  function key(event) {
    const figure = event.currentTarget;
    const button = event.target.closest(BUTTONS);
    const group = event.target.closest(SLIDERS);
    if (button && (event.key === "Enter" || event.key === " ")) press(figure, button);
    else if (group && event.key in STEPS) pull(figure, group, STEPS[event.key]);
    else return;
    event.preventDefault();
  }

  for (const figure of document.querySelectorAll(".plotly-graph-div")) {
    let waiting = false;
    figure.addEventListener("keydown", key);
    new MutationObserver(() => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        if (figure._fullLayout) name(figure);
      });
    }).observe(figure, { childList: true, subtree: true });
  }

  for (const summary of document.querySelectorAll(".bd-links summary")) {
    const link = summary.closest("li").querySelector("a");
    summary.setAttribute("aria-label", `Pages below ${link.textContent.trim()}`);
  }

  function reach() {
    for (const part of document.querySelectorAll(SCROLLED)) {
      if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    }
  }

  window.addEventListener("load", reach);
  window.addEventListener("resize", reach);
})();
