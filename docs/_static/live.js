// Makes the cells of a chapter editable, and runs them in a worker. Without this script the page is text.
"use strict";
(() => {
  const here = document.currentScript.src;
  const cells = [...document.querySelectorAll(".cell")];
  if (!cells.length) return;

  let worker = null, ready = null, jobs = new Map(), count = 0;
  const state = element("div", { className: "live-state", role: "status" });
  document.body.append(state);

  function element(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    if (properties.role) made.setAttribute("role", properties.role);
    made.append(...children);
    return made;
  }

  function say(text) {
    state.textContent = text;
    state.hidden = !text;
  }

  // ---- the worker: started by the first Run; Stop ends it, and with it everything that the cells have defined

  function start() {
    if (ready) return ready;
    worker = new Worker(new URL("worker.js", here), { type: "module" });
    ready = new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message || "the worker did not start"));
      worker.onmessage = ({ data }) => {
        if (data.progress) say(data.progress);
        else if (data.ready) { say(""); resolve(); }
        else if (data.failed) { reject(new Error(data.failed)); stop(); say("Python has ended: " + data.failed); }
        else jobs.get(data.id)?.(data);
      };
    });
    ready.catch((error) => { stop(); say("Python has not started: " + error.message); });
    return ready;
  }

  function stop() {
    worker?.terminate();
    worker = ready = null;
    jobs.forEach((answer) => answer({ done: true, ok: false, text: "stopped\n" }));
    jobs.clear();
    cells.forEach((cell) => { cell.fresh = false; });
    say("");
  }

  function python(code, options, print) {
    const id = ++count;
    return new Promise((resolve) => {
      jobs.set(id, (answer) => {
        if (answer.done) { jobs.delete(id); resolve(answer); } else print(answer.text);
      });
      worker.postMessage({ id, code, ...options });
    });
  }

  // ---- cells

  const codeOf = (step) => step.querySelector(".highlight pre");
  const outputOf = (step) => step.querySelector(".output") ??
    step.appendChild(element("pre", { className: "output", tabIndex: 0 }));

  function prepare(cell) {
    cell.original = cell.innerHTML;
    cell.bar = element("div", { className: "bar" });
    cell.buttons = {};
    const button = (name, label, action) => {
      cell.buttons[name] = element("button", { type: "button", textContent: label, onclick: action });
      cell.bar.append(cell.buttons[name]);
    };
    button("run", cell.dataset.label, () => run(cell));
    button("stop", "Stop", stop);
    button("reset", "Reset", () => reset(cell));
    cell.buttons.stop.hidden = cell.buttons.reset.hidden = true;
    cell.after(cell.bar);
    edit(cell);
  }

  function edit(cell) {
    cell.querySelectorAll(".highlight pre").forEach((code) => {
      code.setAttribute("contenteditable", "plaintext-only");
      if (code.contentEditable !== "plaintext-only") code.setAttribute("contenteditable", "true");
      code.spellcheck = false;
      code.setAttribute("role", "textbox");
      code.setAttribute("aria-multiline", "true");
      code.setAttribute("aria-label", "code, editable");
      code.oninput = () => { cell.buttons.reset.hidden = false; cell.fresh = false; cell.classList.remove("ran"); };
      code.onkeydown = (event) => {
        if (event.key === "Enter" && (event.shiftKey || event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          run(cell);
        }
      };
    });
  }

  function reset(cell) {
    cell.innerHTML = cell.original;
    cell.fresh = false;
    cell.classList.remove("ran", "failed");
    cell.buttons.reset.hidden = true;
    edit(cell);
    cell.buttons.run.focus();
  }

  // Run a cell, and before it those above it that have not run: it may need their names.
  async function run(cell) {
    if (cells.some((other) => other.busy)) return;
    const above = cells.slice(0, cell.dataset.label === "Break it" ? 0 : cells.indexOf(cell))
      .filter((other) => !other.dataset.exercise && !other.fresh);
    cell.busy = true;
    cell.buttons.run.disabled = true;
    cell.buttons.stop.hidden = false;
    try {
      await start();
      for (const other of above) if (!await execute(other)) return;
      await execute(cell);
    } catch { /* start has said why */ } finally {
      cell.busy = cell.buttons.run.disabled = false;
      cell.buttons.stop.hidden = true;
    }
  }

  async function execute(cell) {
    cell.classList.add("running");
    cell.classList.remove("ran", "failed");
    let ok = true;
    for (const step of cell.querySelectorAll(".step")) {
      const output = outputOf(step);
      output.replaceChildren();
      step.querySelectorAll(".cell-note").forEach((note) => note.remove());
      output.setAttribute("aria-live", "polite");
      const answer = await python(codeOf(step).innerText, { exercise: cell.dataset.exercise },
        (text) => output.append(text));
      if (answer.ok && answer.text) step.append(element("p", { className: "cell-note", textContent: answer.text }));
      else output.append(answer.text);
      for (const picture of answer.pictures ?? [])
        output.append(element("img", { src: URL.createObjectURL(new Blob([picture.bytes], { type: picture.type })),
          alt: "the file " + picture.name }));
      if (!output.textContent && !output.children.length) output.remove();
      ok = answer.ok;
      if (!ok) break;
    }
    cell.fresh = ok;
    cell.classList.remove("running");
    cell.classList.add(ok ? "ran" : "failed");
    cell.buttons.reset.hidden = false;
    return ok;
  }

  say("");
  if (!location.protocol.startsWith("http")) return;      // a browser starts no worker for a page of the file system
  fetch(new URL("live/parts.json", here)).then((answer) => answer.ok ? answer.json() : null).then((parts) => {
    if (!parts || (cells[0].dataset.label === "Break it" && !parts.museum)) return;
    cells.forEach(prepare);
    const from = parts.wheels.length ? "from this site" : "from this site, and NumPy from " +
      new URL(parts.distribution).host;
    const what = cells[0].dataset.label === "Break it" ? "Break it puts a mistake into the library, here in your " +
      "browser, and shows what comes out and which test notices." : "The cells of this page run here, in your " +
      "browser. Change the code as you like and press Run, or Shift and Enter.";
    cells[0].before(element("p", { className: "live-note", textContent: what + " The first run loads Python, " +
      `${parts.megabytes} MB ${from}, and takes some seconds.` }));
    document.documentElement.classList.add("live");
  });
})();
