// Python in a worker: loads Pyodide, NumPy and tinyae, then runs the code that it is sent.
import { loadPyodide } from "./live/pyodide.mjs";

const base = new URL("live/", import.meta.url);
const bytes = async (name) => (await fetch(new URL(name, base))).arrayBuffer();
let python, museum = false, now = 0;

async function start() {
  postMessage({ progress: "Loading Python: 1 of 3" });
  const parts = await (await fetch(new URL("parts.json", base))).json();
  const print = (text) => postMessage({ id: now, text: text + "\n" });
  python = await loadPyodide({ indexURL: base.href, packageBaseUrl: parts.distribution, stdout: print, stderr: print });
  postMessage({ progress: "Loading NumPy: 2 of 3" });
  if (parts.wheels.length) for (const wheel of parts.wheels) python.unpackArchive(await bytes(wheel), "wheel");
  else {
    await python.loadPackage(parts.packages, { messageCallback: () => {}, errorCallback: () => {} });
    if (!python.loadedPackages.numpy) throw new Error("NumPy cannot be loaded from " + parts.distribution);
  }
  postMessage({ progress: "Loading tinyae: 3 of 3" });
  python.unpackArchive(await bytes("packages.zip"), "zip", { extractDir: "/home/pyodide" });
  python.runPython(await (await fetch(new URL("runner.py", import.meta.url))).text());
  postMessage({ ready: true });
}

onmessage = async ({ data: { id, code, exercise } }) => {
  now = id;
  if (code.includes("museum") && !museum) {
    museum = true;
    python.unpackArchive(await bytes("museum.zip"), "zip", { extractDir: "/home/pyodide" });
  }
  try {
    const answer = python.globals.get("run")(code, exercise);
    const [ok, text, pictures] = answer.toJs();
    answer.destroy();
    postMessage({ id, done: true, ok, text, pictures: pictures.map(([name, type, bytes]) => ({ name, type, bytes })) });
  } catch (error) {                                 // Python itself has ended, at too deep a recursion, say
    postMessage({ failed: String(error.message ?? error) });
  }
};

start().catch((error) => postMessage({ failed: String(error.message ?? error) }));
