// The staff board: listens, replaces what has changed, counts on, sounds, and says when it is dead.
"use strict";

const DEAD_AFTER_MS = 4000;   // two heartbeats may be lost; "within 5 s" with the look every half second
const RECONNECT_MS = 3000;    // a new stream if the old one is silent; browsers notice a lost network late
const SEND_LIMIT_MS = 6000;   // longer than that, a tap counts as not sent, and is said so
const BURST_EVERY_MS = 8000;  // IEC 60601-1-8: bursts of a high-priority alarm 2.5 to 15 s apart
const SETTLE_MS = 1200;       // a button that appears under a finger does not count its second tap

const body = document.body, said = body.dataset;
const byId = (id) => document.getElementById(id);
let stream = null, openedAt = 0, beatAt = performance.now(), beatTime = byId("updated").textContent;
let offsetMs = Number(byId("board").dataset.at) / 1000 - Date.now();
let known = new Set(idsOfAlerts()), unreadable = false;

// ---- listening ---------------------------------------------------------------------------

function connect() {
  if (stream) stream.close();
  openedAt = performance.now();
  stream = new EventSource(said.events);
  stream.addEventListener("board", (event) => show(parse(event.data)));
  stream.addEventListener("beat", (event) => beat(JSON.parse(event.data)));
  stream.addEventListener("trouble", () => { unreadable = true; openedAt = performance.now(); });
}

function beat(message) {
  if (message.version !== said.version) { location.replace("/"); return; }
  beatAt = openedAt = performance.now();
  unreadable = false;
  offsetMs = message.at_us / 1000 - Date.now();
  beatTime = message.time;
  byId("updated").textContent = beatTime;
  if (body.classList.contains("dead") || body.classList.contains("connecting")) {
    body.classList.remove("dead", "connecting");
    nameTab();
  }
  byId("pulse").getAnimations().forEach((animation) => { animation.cancel(); animation.play(); });
}

function look() {
  const now = performance.now();
  if (now - beatAt > DEAD_AFTER_MS) {
    if (!body.classList.contains("dead")) {
      body.classList.remove("connecting");
      body.classList.add("dead");
      byId("dead-since").textContent = said.since.replace("{time}", beatTime);
      nameTab();
    }
    byId("dead-why").textContent = unreadable ? `(${said.unreadable})` : "";
    if (now - openedAt > RECONNECT_MS) connect();
  }
  count(document);
}

// ---- showing -----------------------------------------------------------------------------

function parse(html) { return new DOMParser().parseFromString(html, "text/html"); }

/** What an element says, without what the browser counts on by itself. */
function sayingOf(element) {
  const copy = element.cloneNode(true);
  for (const time of copy.querySelectorAll("time.age")) time.textContent = "";
  for (const details of copy.querySelectorAll("details")) details.removeAttribute("open");
  for (const button of copy.querySelectorAll("button")) button.removeAttribute("disabled");
  return copy.outerHTML;
}

function show(page) {
  const next = page.getElementById("board"), board = byId("board");
  if (!next) return;
  const held = document.activeElement ? document.activeElement.id : "";
  const scroll = window.scrollY;
  merge(board, next);
  for (const name of ["title", "time", "sounding", "open", "at"]) board.dataset[name] = next.dataset[name];
  if (held && document.activeElement === body) {
    const again = byId(held) || (byId(`incident-${held.split("-").slice(1).join("-")}`));
    if (again) again.focus({ preventScroll: true });
  }
  window.scrollTo(0, scroll);
  count(board);
  nameTab();
  hail();
}

/** Make the children of `old` those of `next`, touching only what says something else. */
function merge(old, next) {
  const wanted = [...next.children];
  for (const child of [...old.children]) {
    if (!wanted.some((item) => item.id === child.id)) child.remove();
  }
  wanted.forEach((item, index) => {
    let mine = [...old.children].find((child) => child.id === item.id);
    if (!mine) {
      mine = document.importNode(item, true);
    } else if ("list" in item.dataset) {
      merge(mine, item);
    } else if (sayingOf(mine) !== sayingOf(item)) {
      const fresh = document.importNode(item, true);
      keep(mine, fresh);
      mine.replaceWith(fresh);
      mine = fresh;
    }
    if (old.children[index] !== mine) old.insertBefore(mine, old.children[index] || null);
  });
}

/** Carry over what a person has opened or typed. */
function keep(from, to) {
  for (const details of from.querySelectorAll("details[open]")) {
    const twin = to.querySelector(`#${CSS.escape(details.id)}`);
    if (twin) twin.open = true;
  }
  for (const input of from.querySelectorAll("input[id]")) {
    const twin = to.querySelector(`#${CSS.escape(input.id)}`);
    if (twin) twin.value = input.value;
  }
  for (const button of to.querySelectorAll("button[id]")) {
    if (from.querySelector(`#${CSS.escape(button.id)}`)) continue;
    button.disabled = true;
    setTimeout(() => { button.disabled = false; }, SETTLE_MS);
  }
}

function count(root) {
  const now = Date.now() + offsetMs;
  for (const time of root.querySelectorAll("time.age")) {
    const until = time.dataset.until;
    const seconds = (until ? until / 1000 - now : now - time.dataset.since / 1000) / 1000;
    const text = time.dataset.form.replace("{time}", age(Math.max(0, Math.floor(seconds))));
    if (time.textContent !== text) time.textContent = text;
  }
}

function age(seconds) {
  const put = (form, n, m) => form.replace("{n}", n).replace("{m}", m).replace("{h}", m);
  if (seconds < 60) return put(said.seconds, seconds);
  if (seconds < 3600) return put(said.minutes, Math.floor(seconds / 60));
  if (seconds < 86400) return put(said.hours, Math.floor(seconds / 3600), Math.floor(seconds % 3600 / 60));
  return put(said.days, Math.floor(seconds / 86400), Math.floor(seconds % 86400 / 3600));
}

function nameTab() {
  const board = byId("board"), dead = body.classList.contains("dead");
  document.title = dead ? said.titleDead : board.dataset.title;
  const icon = dead ? "dead" : Number(board.dataset.open) > 0 ? "alert" : "quiet";
  byId("icon").href = `/static/${icon}.svg?v=${said.version}`;
}

function idsOfAlerts() { return [...document.querySelectorAll("#alerts article")].map((card) => card.id); }

/** Say new alerts to who listens instead of looking, and sound at once for what must be heard. */
function hail() {
  const ids = idsOfAlerts(), fresh = ids.filter((id) => !known.has(id));
  known = new Set(ids);
  if (fresh.length) byId("announce").textContent = fresh.map((id) => byId(id).dataset.say).join(". ");
  const sounding = byId("board").dataset.sounding.split(" ");
  if (fresh.some((id) => sounding.includes(id.replace("incident-", "")))) burst();
}

// ---- sound -------------------------------------------------------------------------------

let audio = null, burstAt = -Infinity;

function armed() { return audio !== null && audio.state === "running"; }

function showSound() { byId("sound").setAttribute("aria-pressed", String(armed())); }

async function arm() {
  audio = audio || Object.assign(new AudioContext(), { onstatechange: showSound });
  await audio.resume();
  showSound();
  tone(880, 0, 0.15);
  if ("wakeLock" in navigator) navigator.wakeLock.request("screen").catch(() => {});
}

function tone(hertz, after, length) {
  const source = audio.createOscillator(), gain = audio.createGain(), start = audio.currentTime + after;
  source.type = "triangle";
  source.frequency.value = hertz;
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(0.6, start + 0.02);
  gain.gain.setValueAtTime(0.6, start + length - 0.03);
  gain.gain.linearRampToValueAtTime(0, start + length);
  source.connect(gain).connect(audio.destination);
  source.start(start);
  source.stop(start + length);
}

/** Three and two pulses, as nurses know a high-priority alarm (IEC 60601-1-8). */
function burst() {
  burstAt = performance.now();
  if (armed()) [0, 0.25, 0.5, 0.9, 1.15].forEach((after, index) => tone(index < 3 ? 698 : 932, after, 0.18));
}

/** Two falling notes: the board itself is what failed. */
function lament() {
  burstAt = performance.now();
  if (armed()) [0, 0.5].forEach((after, index) => tone(index ? 330 : 440, after, 0.4));
}

function soundOn() {
  if (performance.now() - burstAt < BURST_EVERY_MS) return;
  if (body.classList.contains("dead")) lament();
  else if (byId("board").dataset.sounding !== "") burst();
}

// ---- doing -------------------------------------------------------------------------------

async function send(event) {
  const form = event.target;
  if (!form.matches("form[data-send]") || !said.me) return;  // without a name the page asks first
  event.preventDefault();
  const data = new URLSearchParams(new FormData(form)), pressed = event.submitter;
  if (pressed && pressed.name) data.set(pressed.name, pressed.value);
  const buttons = [...form.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: data, signal: AbortSignal.timeout(SEND_LIMIT_MS) });
    const page = parse(await answer.text()), flash = page.getElementById("flash");
    const refusal = page.getElementById("refusal");
    if (flash) { show(page); tell(flash.textContent, false); }
    else if (refusal) tell([...refusal.querySelectorAll("p.what, p.to-do")].map((p) => p.textContent).join(" "), true);
    else if (page.getElementById("who")) {  // the name was forgotten: ask, and carry this along
      said.me = "";
      for (const button of buttons) button.disabled = false;
      form.requestSubmit(pressed);
    } else tell(said.refused, true);
  } catch {
    tell(said.notSent, true);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

let flashTimer = 0;
function tell(text, bad) {
  const flash = byId("flash");
  flash.className = bad ? "bad" : "";
  flash.textContent = text;
  clearTimeout(flashTimer);
  if (!bad) flashTimer = setTimeout(() => { flash.textContent = ""; }, 8000);
}

document.addEventListener("submit", send);
byId("sound").addEventListener("click", arm);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
setInterval(() => { look(); soundOn(); }, 500);
connect();
