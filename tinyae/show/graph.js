const at = (id) => document.getElementById(id);
const nodes = DATA.nodes, forward = nodes.map((_, i) => i);
const backward = forward.filter((i) => nodes[i].gradient).reverse();
const steps = [...forward.map((i) => [i, false]), ...backward.map((i) => [i, true])];
let now = 0;

function line(text, kind = "p") {
  const p = document.createElement(kind);
  p.textContent = text;
  return p;
}

function told([i, back]) {
  const n = nodes[i], said = [];
  if (!back) {
    said.push(`Forward: ${n.name}${n.made === "leaf" ? " is a leaf" : ` = ${n.made}`}, shape ${n.shape}.`);
    said.push(`Value: ${n.value}.`);
    return said;
  }
  said.push(`Backward: ${n.name}, shape ${n.shape}.`);
  said.push(i === nodes.length - 1 ? "The gradient starts here: it is 1." : `Gradient g: ${n.gradient}.`);
  for (const p of n.parts) said.push(`To ${p.to}: ${p.text}`);
  return said;
}

function go(to) {
  now = Math.max(0, Math.min(steps.length - 1, to ?? 0));
  const [i, back] = steps[now], said = told(steps[now]);
  at("say").replaceChildren(...said.map((text) => line(text)));
  at("place").textContent = `step ${now + 1} of ${steps.length}, ${back ? "backward" : "forward"}`;
  at("steps").value = now;
  at("first").disabled = at("back").disabled = now === 0;
  at("last").disabled = at("next").disabled = now === steps.length - 1;
  const reached = new Set(steps.slice(0, now + 1).filter((s) => s[1] === back).map((s) => s[0]));
  nodes.forEach((n, k) => {
    const g = at(`n${k}`);
    g.classList.toggle("now", k === i);
    g.classList.toggle("back", k === i && back);
    g.classList.toggle("later", k !== i && !reached.has(k));
  });
  if (to !== undefined) at(`n${i}`).scrollIntoView({ block: "nearest", inline: "nearest" });
}

at("steps").max = steps.length - 1;
at("steps").oninput = (e) => go(Number(e.target.value));
at("first").onclick = () => go(0);
at("back").onclick = () => go(now - 1);
at("next").onclick = () => go(now + 1);
at("last").onclick = () => go(steps.length - 1);
nodes.forEach((n, k) => {
  at(`n${k}`).onclick = () => {
    const back = now >= forward.length && n.gradient !== "";
    go(back ? forward.length + backward.indexOf(k) : k);
  };
});
document.onkeydown = (e) => {
  const to = { ArrowRight: now + 1, ArrowDown: now + 1, ArrowLeft: now - 1, ArrowUp: now - 1, Home: 0,
    End: steps.length - 1 }[e.key];
  if (to === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
  e.preventDefault();
  go(to);
};
at("list").replaceChildren(...steps.map((s) => line(told(s).join(" "), "li")));
go();
