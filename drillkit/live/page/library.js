// What runs now and what has run. It asks for nothing but that.
"use strict";

const state = { past: [], of: 0, unread: 0, known: "" };

function card(run) {
  const place = element("div", undefined, "card");
  const title = element("h3");
  const link = element("a", run.about.drill || run.name);
  link.href = run.link;
  title.append(link, run.about.target ? ` on ${run.about.target}` : "");
  const [text, tone] = phase(run);
  place.append(title, element("p", text, `big ${tone}`));
  const said = [run.about.began && `since ${moment(run.about.began)}`, run.about.operator && `by ${run.about.operator}`, run.about.owner && `owned by ${run.about.owner}`];
  place.append(element("p", said.filter(Boolean).join(", "), "soft"));
  if (run.about.protected) place.append(element("p", "This is a protected target.", "warn"));
  if (run.alerts.length) place.append(element("p", `firing: ${run.alerts.map((a) => a.name).join(", ")}`, "warn"));
  return place;
}

function showNow(found) {
  const shown = JSON.stringify(found.runs);
  if ($("running").dataset.shown !== shown) {
    $("running").dataset.shown = shown;
    $("running").replaceChildren(...(found.runs.length ? found.runs.map(card) : [element("p", "nothing", "soft")]));
  }
  const now = JSON.stringify([found.past, found.runs.map((run) => run.name)]);
  if (now !== state.known) {
    state.known = now;
    loadPast();
  }
}

async function loadPast() {
  try {
    const answer = await fetch("/past");
    if (!answer.ok) return;
    const found = await answer.json();
    Object.assign(state, { past: found.runs, of: found.of, unread: found.unread });
    showPast();
  } catch (error) {
    // the connection tells that the server is gone, and comes back by itself
  }
}

function showPast() {
  const wanted = $("filter").value.trim().toLowerCase();
  const rows = state.past.filter((run) => [run.drill, run.target, run.word, run.text, moment(run.at)].some((text) => text.toLowerCase().includes(wanted)));
  $("past").replaceChildren(...rows.map((run) => {
    const row = element("tr");
    const when = element("td");
    const link = element(run.link ? "a" : "span", moment(run.at));
    if (run.link) link.href = run.link;
    when.append(link);
    const name = element("th", run.drill);
    name.scope = "row";
    const place = element("td", run.target);
    if (run.emulated) place.append(" ", element("span", "emulated", "soft"));
    const text = run.link ? run.text : `${run.text} (no report yet: drillkit recover, or drillkit report ${run.run})`;
    row.append(when, name, place, element("td", run.word, `holds ${run.holds}`), element("td", text));
    return row;
  }));
  const { of, unread } = state;
  $("count").textContent = `${rows.length} of ${of} runs${unread ? `; ${unread} journals cannot be read: drillkit history tells why` : ""}`;
}

function connect() {
  const source = new EventSource("/now");
  source.addEventListener("open", () => notice("", false));
  source.addEventListener("now", (event) => showNow(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    notice("The connection is lost; drills go on. It is tried again.", true);
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  });
}

async function begin() {
  $("filter").addEventListener("input", showPast);
  if (!(await enter())) return;
  $("all").hidden = false;
  connect();
}

begin();
