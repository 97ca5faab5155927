// Shows what the server sends; whatever comes from a run is text, never markup.
"use strict";

const WINDOW_S = 180; // of the charts
const MOST_LINES = 500;
const state = { right: "", run: {}, skew: 0 };
const samples = new Map();
const now = () => Date.now() / 1000 - state.skew;

// -- what is shown ------------------------------------------------------------------------------

function show(run) {
  state.run = run;
  const about = run.about;
  document.title = about.drill ? `${about.drill} on ${about.target}` : "drillkit";
  $("title").textContent = about.drill || "drillkit";
  if (about.run) $("about").textContent = `${about.run} on ${about.target}${about.owner ? `, owned by ${about.owner}` : ""}`;
  const [text, tone] = phase(run);
  if ($("phase").textContent !== text) $("phase").textContent = text;
  $("phase").className = `big ${tone}`;
  $("description").textContent = about.description || "";
  const banner = run.trouble || (about.protected ? "This is a protected target." : "");
  $("banner").hidden = !banner;
  $("banner").textContent = banner;
  $("practice").hidden = !(about.emulated || []).length;
  fill("emulated", about.emulated || []);
  showHold(run.hold);
  showQuestions(run.questions);
  fill("alerts", run.alerts.map((a) => `${a.name} since ${clock(a.at)}${a.expected ? " (expected)" : ""}`), "none is firing");
  fill("open", run.open.map((o) => (o.step ? `${o.what} (${o.step})` : o.what)));
  $("counts").textContent = `${run.counts.open} open, ${run.counts.undone} undone, ${run.counts.touched} touched in all`;
  fill("participants", run.participants.map(([name, role]) => `${name}, ${role}`), "nobody has said so yet");
  nameMe(run.participants);
  $("measured").textContent = about.measured?.length ? `(measured: ${about.measured.join(", ")})` : "";
  showExpectations("expectations", run.expectations, "none");
  showDebrief(run);
  fill("marks", run.marks.map((m) => `${clock(m.at)} ${m.moment}, ${m.by}`), "none yet");
  fill("actions", run.actions.map((a) => [a.text, a.owner && `owner ${a.owner}`, a.due && `due ${a.due}`].filter(Boolean).join(", ")), "none yet");
  const over = run.ended || run.gone;
  for (const each of document.querySelectorAll("main button, main input, main select, main textarea")) each.disabled = Boolean(over);
  $("stop").disabled = Boolean(over) || run.phase === "debrief"; // all is cleaned up
  document.body.classList.toggle("over", Boolean(over)); // nothing can be asked any more
  $("report").hidden = !run.report;
  if (run.report) $("report").href = run.report;
  tick();
}

// Whoever has the facilitator's link is the facilitator until they say otherwise.
function nameMe(participants) {
  const leads = participants.filter(([, role]) => role.split(", ").includes("facilitator"));
  if (state.named || leads.length !== 1) return;
  state.named = true;
  $("me").value = $("me").value || leads[0][0];
}

function showHold(hold) {
  $("hold").hidden = !hold;
  if (!hold) return;
  $("hold-title").textContent = hold.step ? `Next: ${hold.step}` : hold.secret && !hold.last ? "Next: a surprise" : "Next: the end of the steps";
  $("hold-why").textContent = hold.why;
  fill("hold-changed", hold.changed.map((text) => `changed: ${text}`));
  fill("hold-next", hold.next);
  $("decide").dataset.hold = hold.n;
  for (const button of $("decide").querySelectorAll("button")) {
    button.hidden = (button.value === "repeat" && !hold.after) || (button.value === "skip" && hold.last);
  }
}

function showQuestions(questions) {
  const place = $("questions");
  const shown = JSON.stringify([questions, state.right]);
  if (place.dataset.shown === shown) return;
  place.dataset.shown = shown;
  place.replaceChildren(...questions.map((question) => {
    const card = element("div", undefined, "card");
    const what = question.about === "undo" ? "to be put back by hand" : "to be done by hand";
    card.append(element("h3", `${question.step}: ${what}`), instructions(question.text, question.step));
    if (state.right === "facilitator") card.append(replyForm(question));
    return card;
  }));
}

// As much of Markdown as runbooks need; all of it is text in elements that are made here.
function instructions(text, step) {
  const place = element("div", undefined, "instructions");
  place.tabIndex = 0; // it scrolls, with the keyboard, too
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", `Instructions of ${step}`);
  let list = null;
  let code = null;
  let before = ""; // the line before: paragraphs go on until an empty one
  for (const line of text.split("\n")) {
    if (line.trimStart().startsWith("```")) {
      if (!code) place.append(code = element("pre"));
      else code = null;
      list = null;
      continue;
    }
    if (code) {
      code.append(`${line}\n`);
      continue;
    }
    const [, marks, title] = line.match(/^(#{1,6})\s+(.*)$/) || [];
    const [, sign, item] = line.match(/^\s*([-*+]|\d+[.)])\s+(.*)$/) || [];
    if (sign) {
      const kind = /\d/.test(sign) ? "OL" : "UL";
      if (!list || list.tagName !== kind) place.append(list = element(kind));
      list.append(inline("li", item));
    } else if (list && line.startsWith(" ")) {
      list.lastElementChild.append(" ", ...inline("span", line.trim()).childNodes);
    } else {
      list = null;
      if (title) place.append(inline(marks.length === 1 ? "h4" : "h5", title));
      else if (line.trim() && before.trim() && place.lastElementChild?.tagName === "P") place.lastElementChild.append(" ", ...inline("span", line.trim()).childNodes);
      else if (line.trim()) place.append(inline("p", line));
    }
    before = line;
  }
  return place;
}

function inline(tag, text) {
  const found = element(tag);
  text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).forEach((part, number) => {
    if (number % 2 === 0) found.append(part);
    else found.append(part.startsWith("`") ? element("code", part.slice(1, -1)) : element("b", part.slice(2, -2)));
  });
  return found;
}

function replyForm(question) {
  const form = element("form");
  const label = element("label", "Remark");
  const why = element("input");
  label.htmlFor = why.id = `why-${question.n}`;
  why.maxLength = 500;
  why.autocomplete = "off";
  const buttons = element("div", undefined, "buttons");
  const done = element("button", "Done", "go");
  const failed = element("button", "It cannot be done", "danger");
  done.value = "done";
  failed.value = "failed";
  buttons.append(done, failed);
  form.append(label, why, buttons);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ ask: "reply", done: event.submitter.value === "done", why: why.value, question: question.n });
  });
  return form;
}

function showExpectations(id, expectations, none) {
  const list = $(id);
  const shown = JSON.stringify([expectations, state.right]);
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(...(expectations.length ? expectations.map(expectation) : none ? [element("li", none, "soft")] : []));
}

function expectation(e) {
  const said = e.came === null ? "" : `: ${e.came ? "came true" : "did not come"}${e.why ? `, ${e.why}` : ""}`;
  const item = element("li", `${e.text}${said}`);
  if (state.right !== "facilitator") return item;
  const form = element("form", undefined, "row");
  const why = element("input");
  why.maxLength = 500;
  why.autocomplete = "off";
  why.placeholder = "why";
  why.setAttribute("aria-label", `Why: ${e.text}`);
  form.append(why);
  for (const word of ["yes", "no"]) {
    const button = element("button", word);
    button.value = word;
    button.setAttribute("aria-label", `${word}: ${e.text}`);
    form.append(button);
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ ask: "answer", of: e.n, came: event.submitter.value === "yes", why: why.value });
  });
  item.append(form);
  return item;
}

function showDebrief(run) {
  $("debrief").hidden = run.phase !== "debrief" && !run.debrief.length;
  if ($("debrief").hidden) return;
  $("ready").hidden = state.right !== "facilitator" || run.phase !== "debrief";
  showExpectations("debrief-expected", run.expectations.filter((e) => e.came === null));
  const asked = new Set(run.about.debrief);
  for (const said of run.debrief) asked.add(said.question);
  const place = $("debrief-questions");
  [...asked].forEach((question, number) => {
    if (!place.children[number]) place.append(debriefQuestion(question, number, run.about.debrief.includes(question)));
    fill(`answers-${number}`, run.debrief.filter((said) => said.question === question).map((said) => `${said.by}: ${said.answer}`));
  });
}

// Made once: what somebody is typing stays while others answer.
function debriefQuestion(question, number, planned) {
  const place = element("div");
  const title = element("h4", question);
  const answers = element("ul");
  title.id = `question-${number}`;
  answers.id = `answers-${number}`;
  place.append(title, answers);
  if (state.right !== "facilitator" || !planned) return place;
  const form = element("form", undefined, "row");
  const text = element("textarea");
  text.rows = 2;
  text.maxLength = 4000;
  text.required = true;
  text.setAttribute("aria-labelledby", title.id);
  const button = element("button", "Answer");
  button.setAttribute("aria-label", `Answer: ${question}`);
  form.append(text, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await ask({ ask: "debrief", question, answer: text.value })) text.value = "";
  });
  place.append(form);
  return place;
}

function tick() {
  const run = state.run;
  if (!run.about || !run.about.began) return;
  const over = run.ended || run.gone;
  const at = over ? state.over || (state.over = now()) : now();
  // While people decide, the limit of the run stands still.
  const elapsed = at - run.about.began - run.held_s - (run.hold ? at - run.hold.at : 0);
  const limit = run.about.limit_s;
  $("limit").max = limit || 1;
  $("limit").value = Math.min(elapsed, limit || 1);
  $("elapsed").textContent = limit ? `${span(elapsed)} of ${span(limit)}` : span(elapsed);
  $("hold-limit").textContent = run.hold && run.hold.limit_s ? `${span(run.hold.at + run.hold.limit_s - at)} left, else ${run.hold.otherwise}` : "";
  const rows = run.steps.map((step) => {
    const took = step.state === "running" && step.since ? ` ${span(at - step.since)}${step.limit_s ? ` of ${span(step.limit_s)}` : ""}` : "";
    return [step.name, step.uses, step.state, took, step.secret && step.state === "waiting"];
  });
  const shown = JSON.stringify(rows);
  if ($("steps").dataset.shown === shown) return;
  $("steps").dataset.shown = shown;
  $("steps").replaceChildren(...rows.map(([name, uses, how, took, secret]) => {
    const item = element("li", undefined, how === "running" ? "running" : "");
    item.append(element("span", `${how}${took}`, `state ${how}`), `${name} `, element("span", uses, "soft"), secret ? element("span", " surprise", "warn") : "");
    return item;
  }));
}

// -- charts -------------------------------------------------------------------------------------

function take(sample) {
  let chart = samples.get(sample.sli);
  if (!chart) samples.set(sample.sli, chart = makeChart(sample));
  chart.points.push(sample);
  const old = sample.at - WINDOW_S - 2;
  while (chart.points.length && chart.points[0].at < old) chart.points.shift();
  chart.sent += sample.sent;
  chart.bad += sample.sent - sample.good;
  if (!chart.drawing) {
    chart.drawing = true;
    requestAnimationFrame(() => { chart.drawing = false; draw(chart); });
  }
}

function makeChart(sample) {
  const figure = element("figure");
  const caption = element("figcaption");
  const svg = drawn("svg", { viewBox: `0 0 ${WINDOW_S} 100`, preserveAspectRatio: "none", role: "img" });
  const words = element("span");
  caption.append(element("b", sample.control ? `${sample.sli} (control)` : sample.sli), words);
  figure.append(caption, svg);
  if (!samples.size) $("charts").replaceChildren();
  $("charts").append(figure);
  return { points: [], sent: 0, bad: 0, svg, words };
}

function draw(chart) {
  const last = chart.points[chart.points.length - 1];
  const worst = Math.max(1, ...chart.points.map((p) => p.p95_ms || 0));
  const parts = [];
  let line = "";
  for (const point of chart.points) {
    const x = WINDOW_S - 1 - Math.round(last.at - point.at);
    if (x < 0 || !point.sent) continue;
    const lost = 100 * (1 - point.good / point.sent);
    parts.push(drawn("rect", { x, y: lost, width: 1, height: 100 - lost, class: "good" }));
    if (lost) parts.push(drawn("rect", { x, y: 0, width: 1, height: lost, class: "lost" }));
    if (point.p95_ms !== null) line += `${line ? "L" : "M"}${x + 0.5} ${100 - 90 * point.p95_ms / worst}`;
  }
  parts.push(drawn("path", { d: line || "M0 0", class: "p95" }));
  chart.svg.replaceChildren(...parts);
  const share = last.sent ? `${(Math.floor(10000 * last.good / last.sent) / 100).toFixed(2)} % good` : "no data";
  const words = `${share}, p95 ${last.p95_ms === null ? "-" : `${last.p95_ms} ms`}, ${chart.bad} bad of ${chart.sent}`;
  chart.words.textContent = words;
  chart.svg.setAttribute("aria-label", `last ${span(WINDOW_S)}: ${words}; p95 at most ${worst} ms`);
}

// -- what happened ------------------------------------------------------------------------------

function addLine(line) {
  const item = element("li", undefined, line.loud ? "loud" : "");
  item.append(element("time", clock(line.at)), line.text);
  item.dataset.n = line.n;
  $("lines").prepend(item);
  while ($("lines").childElementCount > MOST_LINES) $("lines").lastElementChild.remove();
}

// -- what is asked for --------------------------------------------------------------------------

async function ask(message) {
  const by = $("me").value.trim();
  if (!by) {
    told("Say your name first.", false);
    $("me").focus();
    return false;
  }
  let text;
  try {
    const answer = await fetch("/ask", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ by, ...message }) });
    const got = (answer.headers.get("Content-Type") || "").includes("json") ? await answer.json() : { refused: await answer.text() };
    if (answer.ok) {
      told("", true);
      return true;
    }
    text = got.refused || "refused";
  } catch (error) {
    text = "The page's server did not answer. The run goes on; drillkit abort and the terminal reach it.";
  }
  told(text, false);
  return false;
}

function told(text, fine) {
  $("answer").textContent = text;
  $("answer").hidden = fine;
}

function listen() {
  $("decide").addEventListener("submit", async (event) => {
    event.preventDefault();
    const decision = event.submitter ? event.submitter.value : "go";
    if (await ask({ ask: "decide", decision, why: $("hold-reason").value, hold: Number(event.target.dataset.hold) })) $("hold-reason").value = "";
  });
  $("sort").addEventListener("change", () => {
    for (const each of document.querySelectorAll("span.action")) each.hidden = $("sort").value !== "action";
    for (const each of document.querySelectorAll("span.debrief")) each.hidden = $("sort").value !== "debrief";
  });
  $("note").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = $("text").value;
    const sort = $("sort").value;
    const messages = {
      note: { ask: "note", text }, expect: { ask: "expect", text },
      decision: { ask: "note", text, about: "decision" }, hypothesis: { ask: "note", text, about: "hypothesis" },
      action: { ask: "action", text, owner: $("owner").value, ...($("due").value ? { due: $("due").value } : {}) },
      debrief: { ask: "debrief", question: $("question").value || "Debrief", answer: text },
    };
    if (await ask(messages[sort])) $("text").value = "";
  });
  $("mark").addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ ask: "mark", moment: event.submitter.value, ago_s: Number($("ago").value) });
    $("ago").value = "0";
  });
  $("join").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await ask({ ask: "join", by: $("joiner").value, role: $("role").value })) $("joiner").value = "";
  });
  $("ready").addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ ask: "ready" });
  });
  $("stop").addEventListener("click", () => $("sure").showModal());
  $("sure").addEventListener("close", () => {
    if ($("sure").returnValue !== "stop") return;
    if (!$("me").value.trim()) $("me").value = "somebody at the page"; // a stop waits for no name
    ask({ ask: "stop", why: $("sure-why").value });
  });
}

// -- the connection -----------------------------------------------------------------------------

function connect() {
  const source = new EventSource("events");
  source.addEventListener("open", () => notice(state.right === "observer" ? "You watch." : "", false));
  source.addEventListener("line", (event) => addLine(JSON.parse(event.data)));
  source.addEventListener("sample", (event) => take(JSON.parse(event.data)));
  source.addEventListener("state", (event) => show(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    if (state.run.ended || state.run.gone) {
      source.close();
      return notice(state.run.gone ? "This page shows what was last known." : "The run is over; this page shows its end.", false);
    }
    notice("The connection is lost; the run goes on. It is tried again.", true);
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  });
}

async function begin() {
  setInterval(tick, 1000);
  listen();
  const entered = await enter();
  if (!entered) return;
  Object.assign(state, entered);
  for (const each of document.querySelectorAll(".facilitator")) each.hidden = state.right !== "facilitator";
  notice(state.right === "observer" ? "You watch." : "", false);
  connect();
}

begin();
