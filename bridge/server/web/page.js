// What the page shows. Texts of strangers (prompts, names) only ever become text, never markup.

const EVERY_MS = 1000;

const NOT_LET_IN = "This browser is not let in any more, as after a restart of the daemon. Type: framebridge open";

const $ = (id) => document.getElementById(id);

/** Make an element: its tag, its attributes, and its children (elements or texts). */
function made(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

async function fetched(path, options) {
  const answer = await fetch(`/framebridge/${path}`, options);
  if (answer.status === 401) throw new Error(NOT_LET_IN);
  if (!answer.ok) throw new Error(`The daemon answers ${answer.status}.`);
  return answer;
}

/** Say why something failed; what `fetch` itself says is different in every browser. */
const reason = (error) => (error instanceof TypeError ? "The daemon does not answer." : error.message);

const asked = async (path) => (await fetched(path)).json();

/** Make a list show items: what is gone goes, what is new is made, what stays keeps its focus. */
function listed(list, items, make, update) {
  const before = new Map([...list.children].map((child) => [child.dataset.id, child]));
  items.forEach((item, place) => {
    let child = before.get(item.id);
    before.delete(item.id);
    if (!child) {
      child = make(item);
      child.dataset.id = item.id;
    }
    update?.(child, item);
    if (list.children[place] !== child) list.insertBefore(child, list.children[place] ?? null);
  });
  before.forEach((child) => child.remove());
}

// ---- pictures

/** Put a picture of the daemon's into a place: raw bytes are drawn, anything else is shown as a file. */
async function show(place, path) {
  let answer;
  try {
    answer = await fetched(path);
  } catch {
    return;
  }
  const shape = answer.headers.get("x-shape");
  if (!shape) {
    const address = URL.createObjectURL(await answer.blob());
    const image = made("img", { src: address, alt: "" });
    image.addEventListener("load", () => URL.revokeObjectURL(address));
    place.replaceChildren(image);
    return;
  }
  const [height, width, channels = 1] = shape.split(",").map(Number);
  const canvas = place.querySelector("canvas") ?? made("canvas");
  canvas.width = width;
  canvas.height = height;
  const raw = new Uint8Array(await answer.arrayBuffer());
  canvas.getContext("2d").putImageData(coloured(raw, width, height, channels), 0, 0);
  if (canvas.parentElement !== place) place.replaceChildren(canvas);
}

/** Turn bytes of grey, RGB or RGBA into what a canvas takes. */
function coloured(raw, width, height, channels) {
  const data = new ImageData(width, height);
  const [green, blue] = channels < 3 ? [0, 0] : [1, 2];
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels;
    data.data[4 * pixel] = raw[from];
    data.data[4 * pixel + 1] = raw[from + green];
    data.data[4 * pixel + 2] = raw[from + blue];
    data.data[4 * pixel + 3] = channels === 4 ? raw[from + 3] : 255;
  }
  return data;
}

// ---- sections

const STATES = {
  starting: "Starting", ready: "Ready", busy: "Rendering", restarting: "Starting again", failed: "Failed",
};

function showState(now) {
  const state = $("state");
  state.dataset.worker = now.worker;
  const text = [STATES[now.worker] ?? now.worker, now.detail, now.device && `on ${now.device}`].filter(Boolean).join(" · ");
  if (state.textContent !== text) state.textContent = text;
  const { vram_total_bytes: all, vram_free_bytes: free } = now.memory;
  $("memory").textContent = all ? `${gigabytes(all - free)} of ${gigabytes(all)} GB used` : "";
  document.title = now.jobs.length ? `(${now.jobs.length}) Framebridge` : "Framebridge";
}

const gigabytes = (bytes) => (bytes / 1e9).toFixed(1);

function queuedJob(job) {
  const cancel = made("button", { type: "button", "aria-label": `Cancel: ${job.title}` }, "Cancel");
  const problem = made("span", { class: "bad", role: "alert" });
  cancel.addEventListener("click", async () => {
    cancel.disabled = true;
    try {
      await fetched(`cancel/${encodeURIComponent(job.id)}`, { method: "POST" });
      problem.textContent = "";
    } catch (error) {
      problem.textContent = `It was not cancelled. ${reason(error)}`;
      cancel.disabled = false;
    }
    refresh();
  });
  const title = made("b", { title: job.title }, job.title);
  return made("li", { class: "job" }, title, made("span", { class: "soft" }), problem, cancel);
}

function updateJob(child, job) {
  child.dataset.state = job.state;
  const since = Math.max(0, Math.round(Date.now() / 1000 - job.began_at));
  child.children[1].textContent = job.state === "running" ? `running, ${since} s` : "waits";
}

function tile(title) {
  return made("li", { class: "tile" }, made("div", { class: "picture" }), made("p", { title }, title), made("p", { class: "soft" }));
}

function updateStream(child, stream) {
  child.lastChild.textContent = stream.problem || (stream.frame ? `frame ${stream.frame}` : "no picture yet");
  child.lastChild.classList.toggle("bad", Boolean(stream.problem));
  if (stream.frame && child.dataset.frame !== String(stream.frame)) {
    child.dataset.frame = stream.frame;
    show(child.firstChild, `stream/${stream.id}`);
  }
}

function endedJob(job) {
  const child = tile(job.title);
  const place = child.firstChild;
  const when = new Date(job.ended_at * 1000).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  child.lastChild.textContent = job.problem || `${when} · ${job.seconds.toFixed(1)} s`;
  if (job.problem) Object.assign(child.lastChild, { className: "bad", title: job.problem });
  const [first] = job.pictures;
  if (first) {
    const image = made("img", { src: first, alt: job.title, loading: "lazy" });
    place.append(made("a", { href: first, target: "_blank", rel: "noopener" }, image));
    if (job.pictures.length > 1) child.lastChild.append(` · ${job.pictures.length} pictures`);
  } else if (job.state === "done") {
    show(place, `result/${encodeURIComponent(job.id)}`);
  } else {
    place.append(job.state);
  }
  return child;
}

function session(each) {
  return made("li", {}, each.program, made("span", { class: "soft" }));
}

function updateSession(child, each) {
  const parts = [each.jobs && `${each.jobs} in the queue`, each.streams && "live"].filter(Boolean);
  child.lastChild.textContent = parts.length ? ` · ${parts.join(" · ")}` : "";
}

async function showModels() {
  const { models } = await asked("models");
  const kinds = Object.entries(models).map(([kind, names]) =>
    made(
      "details", {},
      made("summary", {}, kind.replaceAll("_", " "), made("span", { class: "soft" }, ` ${names.length}`)),
      made("ul", {}, ...names.map((name) => made("li", {}, name))),
    ),
  );
  $("models").replaceChildren(...kinds);
}

// ---- history

let history = [];
let size = -1;

async function showHistory(offset = 0) {
  const page = await asked(`history?offset=${offset}`);
  const known = new Set(page.jobs.map((job) => job.id));
  const others = page.size < size ? [] : history.filter((job) => !known.has(job.id));
  history = offset ? [...others, ...page.jobs] : [...page.jobs, ...others];
  size = page.size;
  history = history.slice(0, size);
  listed($("history"), history, endedJob);
  $("more").hidden = history.length >= size;
}

$("more").addEventListener("click", () => showHistory(history.length));

// ---- round and round

let newest = "";

async function refresh() {
  try {
    const now = await asked("now");
    showState(now);
    listed($("queue"), now.jobs, queuedJob, updateJob);
    listed($("live"), now.streams, (stream) => tile(stream.title), updateStream);
    listed($("sessions"), now.sessions, session, updateSession);
    const ended = `${now.history} ${now.newest}`;
    if (ended !== newest) {
      newest = ended;
      await showHistory();
    }
    setAway(false);
  } catch (error) {
    setAway(true);
    $("state").dataset.worker = "away";
    $("state").textContent = reason(error);
    $("memory").textContent = "";
    document.title = "Framebridge";
  }
}

/** Dim what the daemon said last while it says nothing more; nothing in the queue can be cancelled then. */
function setAway(isAway) {
  document.body.classList.toggle("away", isAway);
  $("queue").inert = isAway;
}

async function go() {
  if (!document.hidden) await refresh();
  setTimeout(go, EVERY_MS);
}

document.addEventListener("visibilitychange", () => document.hidden || refresh());
showModels().catch(() => {});
go();
