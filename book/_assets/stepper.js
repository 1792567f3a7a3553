// Lets a reader step through a drawing. Parts of the picture carry data-step="1", "2", …; the <desc>
// of one of them says what happens there. Without this script all parts are shown at once.
(() => {
  "use strict";
  const PACE = 2600; // milliseconds a step

  function setUp(figure) {
    const parts = [...figure.querySelectorAll("[data-step]")];
    const stepOf = (part) => Number(part.dataset.step);
    const last = Math.max(...parts.map(stepOf));
    const says = new Map();
    for (const part of parts) {
      const said = part.querySelector(":scope > desc");
      if (said) says.set(stepOf(part), said.textContent.replace(/\s+/g, " "));
    }
    let at = last;
    let timer = 0;

    const controls = document.createElement("div");
    controls.className = "stepper";
    controls.setAttribute("role", "group");
    controls.setAttribute("aria-label", "Steps of the drawing");
    const button = (text, act) => {
      const made = Object.assign(document.createElement("button"), { type: "button", onclick: act });
      made.textContent = text;
      controls.append(made);
      return made;
    };
    const line = document.createElement("p");

    function show(step) {
      at = ((step - 1 + last) % last) + 1;
      for (const part of parts) part.classList.toggle("later", stepOf(part) > at);
      line.textContent = `${at} of ${last}. ${says.get(at)}`;
    }
    function pause() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
      line.setAttribute("aria-live", "polite");
    }
    function start() {
      line.setAttribute("aria-live", "off"); // a reader who listens sets the pace
      play.textContent = "Pause";
      show(at === last ? 1 : at + 1);
      timer = setInterval(() => {
        show(at + 1);
        if (at === last) pause();
      }, PACE);
    }
    const go = (step) => { pause(); show(step); };
    button("Back", () => go(at - 1));
    const play = button("Play", () => (timer ? pause() : start()));
    button("Next", () => go(at + 1));
    controls.append(line);
    figure.querySelector("svg").after(controls);
    pause();
    line.textContent = `${last} steps.`;

    // Once, when it comes into view, and never for a reader who wants no motion.
    if (figure.classList.contains("autoplay")
        && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      const seen = new IntersectionObserver((entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        seen.disconnect();
        if (!timer && at === last) start();
      }, { threshold: 0.6 });
      seen.observe(figure.querySelector("svg"));
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const figure of document.querySelectorAll("figure.drawing:has([data-step])")) {
      setUp(figure);
    }
  });
})();
