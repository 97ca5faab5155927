// What both pages use. Whatever comes from a run is text, never markup.
"use strict";

const $ = (id) => document.getElementById(id);

function element(tag, text, kind) {
  const found = document.createElement(tag);
  if (text !== undefined) found.textContent = text;
  if (kind) found.className = kind;
  return found;
}

function drawn(tag, attributes) {
  const found = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  return found;
}

function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

const moment = (at) => new Date(at * 1000).toLocaleString("sv", { dateStyle: "short", timeStyle: "short" });
const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hour12: false });

function fill(id, rows, none) {
  const list = $(id);
  const kept = list.dataset.shown;
  const shown = JSON.stringify(rows);
  if (kept === shown) return; // what has not changed keeps its place and its focus
  list.dataset.shown = shown;
  list.replaceChildren(...(rows.length ? rows.map((row) => element("li", row)) : none ? [element("li", none, "soft")] : []));
}

const PHASES = {
  opening: "starting", guards: "looking at the target", before: "is the steady state there?",
  steps: "between steps", after: "is the steady state back?", cleanup: "cleaning up", debrief: "debrief",
};

function phase(run) {
  if (run.gone) return [`the runner is gone; what is changed stays until somebody types: drillkit recover ${run.about.run || ""}`, "bad"];
  if (run.outcome) return [run.outcome, run.outcome.startsWith("met") ? "met" : "bad"];
  if (run.ended) return ["ended", ""];
  if (run.stopping && run.phase !== "debrief") return [`stopping (${run.stopping.by}): ${run.stopping.why}`, "bad"];
  if (run.hold) return [run.hold.step ? `holding before ${run.hold.step}` : "holding", ""];
  const running = run.steps.filter((step) => step.state === "running").map((step) => step.name);
  return [running.length ? `running ${running.join(", ")}` : PHASES[run.phase] || run.phase, ""];
}

function notice(text, bad) {
  $("link").hidden = !text;
  $("link").textContent = text;
  $("link").className = bad ? "notice bad" : "notice";
}

// What the server lets us in as, and how far our clock is ahead of its own; null when it does not.
async function enter() {
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname); // it stays in no history and no picture
  try {
    const answer = await fetch("/enter", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(token ? { token } : {}) });
    const skew = (Date.now() - Date.parse(answer.headers.get("Date"))) / 1000;
    if (answer.ok) return { right: (await answer.json()).right, skew: Math.abs(skew) < 2 ? 0 : skew };
    notice("Open the link that drillkit has printed: this one does not let you in.", true);
  } catch (error) {
    notice("The page's server does not answer. Drills go on without it; try again.", true);
  }
  return null;
}
