// Lets a reader step through a picture, by hand or by itself. The playground uses stepper() as well;
// in a drawing, parts carry data-step="1", "2", …, and the <desc> of one of them says what happens
// there. Without this script all parts of a drawing are shown at once.
(() => {
  "use strict";

  // Buttons for the steps 1 to last(), and a line below for what show(step) says of one.
  function stepper(last, show, pace) {
    let at = last(), timer = 0;
    const controls = document.createElement("div");
    controls.className = "stepper";
    controls.setAttribute("role", "group");
    controls.setAttribute("aria-label", "Steps of the picture");
    const button = (text, act) => {
      const made = Object.assign(document.createElement("button"), { type: "button", onclick: act });
      made.textContent = text;
      controls.append(made);
      return made;
    };
    const line = document.createElement("p");

    function to(step) {
      at = ((step - 1 + last()) % last()) + 1;
      line.textContent = `${at} of ${last()}. ${show(at)}`;
    }
    function pause() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
      line.setAttribute("aria-live", "polite");
    }
    function start(from = at + 1) {
      pause();
      line.setAttribute("aria-live", "off"); // a reader who listens sets the pace
      play.textContent = "Pause";
      to(from);
      timer = setInterval(() => {
        to(at + 1);
        if (at === last()) pause();
      }, pace);
    }
    const go = (step) => { pause(); to(step); };

    // Once, when it comes into view, and never for a reader who wants no motion.
    function startInView(picture) {
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
      const seen = new IntersectionObserver((entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        seen.disconnect();
        if (!timer && at === last()) start();
      }, { threshold: 0.6 });
      seen.observe(picture);
    }

    window.addEventListener("beforeprint", () => timer && go(last()));
    button("Back", () => go(at - 1));
    const play = button("Play", () => (timer ? pause() : start()));
    button("Next", () => go(at + 1));
    controls.append(line);
    pause();
    line.textContent = `${at} steps.`;
    return { controls, go, start, startInView };
  }
  window.stepper = stepper;

  function setUp(figure) {
    const parts = [...figure.querySelectorAll("[data-step]")];
    const stepOf = (part) => Number(part.dataset.step);
    const last = Math.max(...parts.map(stepOf));
    const says = new Map();
    for (const part of parts) {
      const said = part.querySelector(":scope > desc");
      if (said) says.set(stepOf(part), said.textContent.replace(/\s+/g, " "));
    }
    const steps = stepper(() => last, (at) => {
      for (const part of parts) part.classList.toggle("later", stepOf(part) > at);
      return says.get(at);
    }, 2600);
    const picture = figure.querySelector("svg");
    picture.after(steps.controls);
    if (figure.classList.contains("autoplay")) steps.startInView(picture);
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const figure of document.querySelectorAll("figure.drawing:has([data-step])")) {
      setUp(figure);
    }
  });
})();
