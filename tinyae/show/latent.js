const at = (id) => document.getElementById(id);
const FUNCTIONS = {
  linear: (x) => x, relu: (x) => Math.max(x, 0), leaky_relu: (x) => (x > 0 ? x : 0.01 * x),
  elu: (x) => (x > 0 ? x : Math.expm1(x)), softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)), tanh: Math.tanh, sin: Math.sin,
};

function half(h) { // IEEE 754: sign, 5 bits of exponent, 10 of fraction
  const e = (h >> 10) & 31, f = (h & 1023) / 1024, sign = h >> 15 ? -1 : 1;
  return sign * (e === 0 ? 2 ** -14 * f : e === 31 ? (f ? NaN : Infinity) : 2 ** (e - 15) * (1 + f));
}

function unpack(layer) {
  const bytes = Uint8Array.from(atob(layer.w), (c) => c.charCodeAt(0)), view = new DataView(bytes.buffer);
  const w = Float32Array.from({ length: bytes.length / 2 }, (_, i) => half(view.getUint16(2 * i, true)));
  return { ...layer, f: FUNCTIONS[layer.f], w };
}

// Each layer is dT/dy or dT/dx of conv.py's number T(x, W, y), plus a bias; a Dense layer has images of one pixel.
function run(layers, input) {
  for (const { x: [h, wide, c], y: [u, v, k], taps, stride, padding, transposed, f, w } of layers) {
    const d = transposed ? c : k, size = transposed ? h * wide * c : u * v * k;
    const sum = Float64Array.from({ length: size }, (_, i) => w[taps * taps * c * k + (i % d)]); // the bias
    for (let p = 0; p < u; p++) for (let q = 0; q < v; q++) for (let i = 0; i < taps; i++) for (let j = 0; j < taps; j++) {
      const row = stride * p + i - padding, column = stride * q + j - padding;
      if (row < 0 || row >= h || column < 0 || column >= wide) continue;
      const X = (row * wide + column) * c, Y = (p * v + q) * k, W = (i * taps + j) * c * k;
      for (let l = 0; l < c; l++) for (let m = 0; m < k; m++) {
        if (transposed) sum[X + l] += w[W + l * k + m] * input[Y + m];
        else sum[Y + m] += input[X + l] * w[W + l * k + m];
      }
    }
    input = Array.from(sum, f);
  }
  return input;
}

const encoder = DATA.encoder.map(unpack), decoder = DATA.decoder.map(unpack);
const [high, wide] = DATA.shape, latent = DATA.codes[0].length, LIMIT = 4;
const hot = () => Array.from({ length: DATA.classes }, (_, c) => Number(c === Number(at("class").value)));
const decode = (z) => run(decoder, [...z, ...hot()]).map(FUNCTIONS.sigmoid);
const encode = (x) => run(encoder, [...x, ...hot()]);

const z = new Array(latent).fill(0), drawn = new Array(high * wide).fill(0);
let A = null, B = null, shown = [];

function paint(canvas, pixels) {
  canvas.width = wide; canvas.height = high;
  const image = canvas.getContext("2d").createImageData(wide, high);
  pixels.forEach((v, i) => image.data.set([255 * v, 255 * v, 255 * v, 255].map(Math.round), 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const classes = DATA.labels ? [...new Set(DATA.labels)].sort((a, b) => a - b) : [];
const colour = (c) => `hsl(${(360 * classes.indexOf(c)) / Math.max(1, classes.length)} 65% 50%)`;
const axes = () => [Number(at("across").value), Number(at("up").value)];
const place = (v) => 160 + (v * 160) / LIMIT;

function map() {
  const g = at("map").getContext("2d"), [i, j] = axes(), ink = getComputedStyle(document.body);
  g.clearRect(0, 0, 320, 320);
  DATA.codes.forEach((c, k) => {
    g.fillStyle = DATA.labels ? colour(DATA.labels[k]) : ink.color;
    g.fillRect(place(c[i]) - 1.5, place(-c[j]) - 1.5, 3, 3);
  });
  g.font = "bold 16px sans-serif"; g.textAlign = "center"; g.textBaseline = "middle"; g.lineWidth = 4;
  for (const c of classes) {
    const own = DATA.codes.filter((_, k) => DATA.labels[k] === c), mean = (d) => own.reduce((s, v) => s + v[d], 0) / own.length;
    g.strokeStyle = ink.backgroundColor; g.strokeText(c, place(mean(i)), place(-mean(j)));
    g.fillStyle = ink.color; g.fillText(c, place(mean(i)), place(-mean(j)));
  }
  g.strokeStyle = ink.color; g.lineWidth = 2; g.beginPath(); g.arc(place(z[i]), place(-z[j]), 7, 0, 7); g.stroke();
}

function nearest() {
  const far = DATA.codes.map((c) => c.reduce((s, v, d) => s + (v - z[d]) ** 2, 0));
  return DATA.labels ? `; the nearest test image is of class ${DATA.labels[far.indexOf(Math.min(...far))]}` : "";
}

function show(why = "") {
  shown = decode(z);
  paint(at("out"), shown);
  map();
  z.forEach((v, d) => { at(`z${d}`).value = v; at(`o${d}`).textContent = v.toFixed(2); });
  const [i, j] = axes();
  at("say").textContent = `${why}z${i + 1} = ${z[i].toFixed(2)}, z${j + 1} = ${z[j].toFixed(2)}${nearest()}.`;
}

const bound = (v) => Math.max(-LIMIT, Math.min(LIMIT, v));
function go(code, why) { code.forEach((v, d) => { z[d] = v; }); show(why); }
function pointed(e) {
  const box = at("map").getBoundingClientRect(), [i, j] = axes();
  z[j] = bound((1 - (2 * (e.clientY - box.top)) / box.height) * LIMIT);
  z[i] = bound(((2 * (e.clientX - box.left)) / box.width - 1) * LIMIT);
  show();
}

const spread = z.map((_, d) => DATA.codes.reduce((s, c) => s + c[d] ** 2, 0));
const best = z.map((_, d) => d).sort((a, b) => spread[b] - spread[a]);
const first = latent === 2 ? [0, 1] : [best[0], best[1] ?? best[0]];
["across", "up"].forEach((id, n) => {
  z.forEach((_, d) => at(id).add(new Option(`z${d + 1}`, d)));
  at(id).value = first[n];
  at(id).onchange = () => show();
});
z.forEach((_, d) => {
  const label = document.createElement("label");
  label.innerHTML = `z${d + 1} <output id="o${d}"></output><input id="z${d}" type="range" min="-4" max="4" step="0.01">`;
  at("sliders").append(label);
  at(`z${d}`).oninput = (e) => { z[d] = Number(e.target.value); show(); };
});
for (let c = 0; c < DATA.classes; c++) at("class").add(new Option(c, c));
at("ask").hidden = DATA.classes === 0;
at("class").onchange = () => show();
at("map").onpointermove = at("map").onpointerdown = pointed;
at("map").onkeydown = (e) => {
  const step = e.shiftKey ? 0.5 : 0.1, [i, j] = axes();
  const [d, by] = { ArrowLeft: [i, -step], ArrowRight: [i, step], ArrowUp: [j, step], ArrowDown: [j, -step] }[e.key] ?? [];
  if (d === undefined) return;
  e.preventDefault();
  z[d] = bound(z[d] + by);
  show();
};
at("centre").onclick = () => go(z.map(() => 0));
at("random").onclick = () => go(z.map(() => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())));

function ink(e) {
  if (e.type === "pointermove" && !e.buttons) return;
  const box = at("pad").getBoundingClientRect();
  const x = ((e.clientX - box.left) / box.width) * wide - 0.5, y = ((e.clientY - box.top) / box.height) * high - 0.5;
  drawn.forEach((v, k) => {
    const far = Math.hypot((k % wide) - x, Math.floor(k / wide) - y);
    drawn[k] = Math.max(v, Math.min(1, Math.max(0, 1.9 - far)));
  });
  paint(at("pad"), drawn);
}
at("pad").onpointerdown = at("pad").onpointermove = ink;
at("pad").onpointerup = () => at("encode").click();
at("clear").onclick = () => { drawn.fill(0); paint(at("pad"), drawn); };
at("copy").onclick = () => { shown.forEach((v, k) => { drawn[k] = v; }); paint(at("pad"), drawn); };
at("encode").onclick = () => go(encode(drawn), "The code of the drawing: ");
at("a").onclick = () => { A = [...z]; at("t").value = 0; at("say").textContent = "A is set."; };
at("b").onclick = () => { B = [...z]; at("t").value = 1; at("say").textContent = "B is set."; };
at("t").oninput = (e) => {
  const t = Number(e.target.value);
  if (A && B) go(A.map((v, d) => v + t * (B[d] - v)), `${Math.round(100 * t)} % of the way from A to B: `);
  else at("say").textContent = "Set A and B first.";
};
paint(at("pad"), drawn);
show();
