"use strict";
// Asks once a second how the walk stands, and sends taps. All that counts is on the other side:
// this page may be loaded again, or be open on two phones.

const words = JSON.parse(document.body.dataset.words);
const enough = Number(document.body.dataset.enough);
const at = (id) => document.getElementById(id);
let latest = null;
let finished = false;

function show(state) {
  latest = state;
  const heard = state.heard.filter((each) => each.dbm !== null);
  at("here").textContent = state.zone ?? words.nowhere;
  for (const button of document.querySelectorAll("#zones button")) {
    const seconds = state.seconds[button.dataset.zone] ?? 0;
    const isEnough = seconds >= enough;
    button.setAttribute("aria-pressed", String(button.dataset.zone === state.zone));
    button.classList.toggle("enough", isEnough);
    button.querySelector(".time").textContent =
      (isEnough ? "✓ " : "") + (seconds ? `${Math.round(seconds)} ${words.seconds}` : "–");
  }
  at("between").setAttribute("aria-pressed", String(state.zone === null));
  at("undo").disabled = state.taps === 0;
  at("heard").textContent =
    `${words.heard}: ` +
    (heard.map((each) => `${each.receiver} ${Math.round(each.dbm)} dBm`).join(", ") || "–");
  if (state.trouble) complain(words[state.trouble]);
  else if (!heard.length) complain(words.unheard);
  else if (state.silent.length) complain(`${words.silent} ${state.silent.join(", ")}`);
  else complain("");
}

function complain(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = text === "";
}

async function ask(path, body) {
  try {
    const options = body === undefined ? {} : {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    };
    const answer = await fetch(path, options);
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
    return true;
  } catch {
    if (!finished) complain(words.offline);
    return false;
  }
}

at("zones").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) ask("now", { zone: button.dataset.zone });
});
at("between").addEventListener("click", () => ask("now", { zone: null }));
at("undo").addEventListener("click", () => ask("undo", {}));
at("done").addEventListener("click", async () => {
  const missing = latest
    ? Object.entries(latest.seconds).filter((each) => each[1] < enough).map((each) => each[0])
    : [];
  if (missing.length && !window.confirm(`${words.sure} ${missing.join(", ")}`)) return;
  if (await ask("done", {})) {
    finished = true;
    document.querySelector("nav").remove();
    at("zones").remove();
    at("heard").remove();
    complain("");
    at("now").textContent = words.finished;
  }
});

async function keepAsking() {
  while (!finished) {
    await ask("state");
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
keepAsking();
// A phone that slept asks at once when it wakes.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !finished) ask("state");
});
