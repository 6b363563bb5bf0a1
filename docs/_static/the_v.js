// Moves the marker of the V to the step that the slider, or a pointer on the picture, chooses, and says what is there.
"use strict";
(() => {
  const page = document.querySelector(".the-v");
  if (!page) return;

  const { curves, step, x } = JSON.parse(page.dataset.curves);
  const [svg, slider, select, sentence] = ["svg", "input", "select", "output"].map((name) => page.querySelector(name));
  const groups = page.querySelectorAll(".curve"), marker = page.querySelector(".marker");
  page.querySelector(".controls").hidden = false;
  marker.removeAttribute("hidden");

  const short = (number) => number.toExponential(1);

  function story(error, truncation, rounding) {
    if (!error) return "There is no error: every digit is right.";
    const digits = Math.max(0, Math.floor(-Math.log10(error)));
    const right = digits ? `${digits} digit${digits > 1 ? "s are" : " is"} right` : "no digit is right";
    return `The error is ${short(error)}, so ${right}. ${advice(error, truncation, rounding)}.`;
  }

  function advice(error, truncation, rounding) {
    if (error < 1e-15) return "Only the last digit of the result is rounded";
    if (truncation > 3 * rounding) return "Truncation prevails: a shorter step is better";
    if (rounding > 3 * truncation) return "Rounding prevails: a longer step is better";
    return "The arms cross here: no step is much better";
  }

  function show() {
    const i = +slider.value, curve = curves[select.value];
    groups.forEach((group, k) => group.toggleAttribute("hidden", k !== +select.value));
    marker.querySelector("line").setAttribute("x1", x[i]);
    marker.querySelector("line").setAttribute("x2", x[i]);
    marker.querySelector("circle").setAttribute("cx", x[i]);
    marker.querySelector("circle").setAttribute("cy", curve.y[i]);
    sentence.textContent = `h = ${short(step[i])}. ${story(curve.error[i], curve.truncation[i], curve.rounding[i])}`;
    slider.setAttribute("aria-valuetext", sentence.textContent);
  }

  function drag(event) {
    if (!event.buttons) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).x;
    slider.value = (at - x[0]) / (x.at(-1) - x[0]) * slider.max;
    show();
  }

  svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); drag(event); });
  svg.addEventListener("pointermove", drag);
  slider.addEventListener("input", show);
  select.addEventListener("change", show);
  show();
})();
