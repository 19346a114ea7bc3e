// The list of cases: filtered by the fragment, drawn in steps, opened one by one.

const STEP = 200;
const GROUP = {
  "pass": "passed", "fail": "failed", "wrong-data": "failed", "crashed": "failed",
  "timed-out": "failed", "harness-error": "harness-errors",
};
const UNEXPECTED = new Set(["failed", "harness-errors", "fixed"]);
const SECTIONS = ["Unexpected", "Expected deviations, notes and skipped", "Passing"];
const FIELDS = ["q", "verdict", "severity", "subject", "level", "requirement"];

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const requirements = new Map(data.requirements.map((r) => [r.id, r]));
const form = $("filter");
const list = $("cases");
const field = Object.fromEntries(FIELDS.map((name) => [name, $("f-" + name)]));
const group = (verdict) => GROUP[verdict] || verdict;

// One JSON value a line, parsed when somebody wants it.
function lines(id) {
  let split;
  return (number) => {
    split = split || $(id).textContent.split("\n");
    return JSON.parse(split[number] || "null");
  };
}
const setups = lines("setups");
const texts = lines("texts");

data.cases.forEach((item, number) => {
  item.number = number;
  item.runs = [...item.v].flatMap((letter, s) => letter === "-" ? [] : [{
    s, v: data.verdicts[letter.charCodeAt(0) - 97], ...item.runs[s],
  }]);
  const groups = item.runs.map((run) => group(run.v));
  item.section = groups.some((it) => UNEXPECTED.has(it)) ? 0
    : groups.every((it) => it === "passed") ? 2 : 1;
  const strengths = item.requirements.map((id) => requirements.get(id)).filter(Boolean);
  item.severities = new Set(strengths.flatMap((it) => it.security ? ["security", it.strength] : [it.strength]));
});

// Made once somebody searches.
function searchable(item) {
  item.text = item.text || [item.id, item.title,
    ...item.runs.flatMap((run) => [run.m || "", run.k || "", ...(run.d || []).flat()])].join("\n").toLowerCase();
  return item.text;
}

function requirement(id) {
  const found = requirements.get(id);
  if (!found) return el("p", { className: "needs" }, el("code", {}, id));
  const source = el("span", { className: "source" }, el("span", { className: "tag" }, found.strength), " ");
  if (found.security) source.append(el("span", { className: "tag security" }, icon("security"), "security"), " ");
  source.append(el("code", {}, found.id), " ",
    found.url ? el("a", { href: found.url, rel: "noreferrer" }, found.source) : found.source);
  return el("p", { className: "needs" }, el("span", { className: "sentence" }, found.text), source);
}

function repeat(item, run) {
  return run.r || (item.r || "").replace("{}", () => data.subjects[run.s]);
}

function verdict(run) {
  return el("span", { className: "g-" + group(run.v) }, icon(group(run.v)), run.v);
}

// A run of which there is something to say.
function told(item, setup, run) {
  const nodes = [el("h3", {}, data.subjects[run.s] + ": ", verdict(run))];
  if (run.m) nodes.push(el("p", {}, run.m));
  if (run.k) nodes.push(el("p", {}, "Known: " + run.k));
  if (run.d) {
    nodes.push(table("compare", ["where", "expected", "observed"],
      run.d.map(([place, ...values]) => [place, ...values.map((value) => el("code", {}, value))])));
  }
  if (setup && (run.c || run.n !== undefined) && setup.steps.length) nodes.push(chain(setup, run));
  nodes.push(command(repeat(item, run)));
  return el("section", { className: "run" }, ...nodes);
}

// Runs that went as required need one line, whoever they are of.
function quiet(item, runs) {
  const names = runs.map((run) => data.subjects[run.s]);
  const section = el("section", { className: "run" },
    el("h3", {}, names.join(", ") + ": ", verdict(runs[0])));
  section.append(command(repeat(item, runs[0])));
  return section;
}

function header([file, fields]) {
  const rows = fields.map((it) => [String(it.at), it.name, el("code", {}, it.hex), el("code", {}, it.value)]);
  return el("section", {}, el("h3", {}, "Header of ", el("code", {}, file)),
    el("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Header of " + file },
      table("bytes", ["byte", "field", "bytes", "value"], rows)));
}

function parts(setup) {
  const nodes = [];
  if (setup.head) nodes.push(header(setup.head));
  const more = [listing("Expected", texts(setup.expected), "the expectation")];
  if (setup.ask !== undefined) more.push(listing("Asked", texts(setup.ask), "the question"));
  more.push(listing("Recipe", texts(setup.recipe), "the recipe"));
  if (setup.domain !== undefined) more.push(listing("Domain", texts(setup.domain), "the domain's XML"));
  nodes.push(el("div", { className: "listings" }, ...more));
  return nodes;
}

function body(item) {
  const setup = setups(item.number);
  const say = item.runs.filter((run) => group(run.v) !== "passed" || run.c || run.m);
  const passed = item.runs.filter((run) => !say.includes(run));
  const link = el("a", { className: "link", href: "#case=" + encodeURIComponent(item.id) }, "Link to this case");
  const node = el("div", { className: "body" }, el("p", { className: "lead" }, item.title),
    ...item.requirements.map(requirement));
  node.append(...say.map((run) => told(item, setup, run)));
  if (setup) {
    const isDrawn = say.some((run) => run.c && setup.steps.length);
    if (!isDrawn) node.append(el("h3", {}, setup.steps.length ? "Required" : "Files"), chain(setup, null));
  }
  if (passed.length) node.append(quiet(item, passed));
  if (setup) node.append(...parts(setup));
  node.append(el("p", {}, link));
  return node;
}

// Chips by verdict: twenty subjects that pass need one.
function chips(item) {
  const by = new Map();
  for (const run of item.runs) by.set(run.v, [...(by.get(run.v) || []), data.subjects[run.s]]);
  return [...by].map(([name, subjects]) => el("span", { className: "g-" + group(name) }, icon(group(name)),
    name + ": " + (subjects.length > 4 ? subjects.length + " subjects" : subjects.join(", "))));
}

function entry(item) {
  const summary = el("summary", {}, el("code", {}, item.id), el("span", { className: "chips" }, ...chips(item)));
  const details = el("details", {}, summary);
  details.fill = () => { if (details.open && details.children.length === 1) details.append(body(item)); };
  details.addEventListener("toggle", details.fill);
  return el("li", { className: "case" }, details);
}

function drawSection(index, items, open) {
  const ul = el("ul", {});
  const more = el("button", { type: "button", className: "more" });
  const details = el("details", { className: "group", open },
    el("summary", {}, SECTIONS[index] + ": " + items.length), ul, more);
  let drawn = 0;
  const draw = () => {
    const next = items.slice(drawn, drawn + STEP).map(entry);
    drawn += next.length;
    ul.append(...next);
    more.hidden = drawn >= items.length;
    more.textContent = "Show more (" + (items.length - drawn) + " left)";
    return next[0];
  };
  more.addEventListener("click", () => draw().querySelector("summary").focus());
  const first = () => { if (details.open && drawn === 0) draw(); };
  details.addEventListener("toggle", first);
  first();
  return details;
}

function state() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries([...FIELDS, "case"].map((name) => [name, parameters.get(name) || ""]));
}

function matches(item, want) {
  if (want.case && item.id !== want.case) return false;
  if (want.level && item.level !== want.level) return false;
  if (want.severity && !item.severities.has(want.severity)) return false;
  if (want.requirement && !item.requirements.includes(want.requirement)) return false;
  if (!item.runs.some((run) => (!want.subject || data.subjects[run.s] === want.subject)
    && (!want.verdict || run.v === want.verdict
      || (want.verdict === "unexpected" && UNEXPECTED.has(group(run.v)))))) return false;
  return !want.q || searchable(item).includes(want.q.toLowerCase());
}

function draw() {
  const want = state();
  const filtered = Object.values(want).some(Boolean);
  const found = data.cases.filter((item) => matches(item, want));
  const sections = SECTIONS.map((_, index) => found.filter((item) => item.section === index));
  list.replaceChildren(...sections.flatMap((items, index) => {
    const open = index === 0 || (filtered && (index === 1 || found.length <= STEP));
    return items.length ? [drawSection(index, items, open)] : [];
  }));
  $("shown").textContent = found.length + " of " + data.cases.length + " cases";
  const only = found.length === 1 && list.querySelector(".case > details");
  if (only) {
    only.open = true;
    only.fill();
  }
}

// The fragment is the state: a filtered list can be bookmarked and sent.
function apply() {
  const want = state();
  for (const name of FIELDS) if (field[name].value !== want[name]) field[name].value = want[name];
  draw();
}

function go(want, replace) {
  const set = Object.entries(want).filter(([, value]) => value);
  history[replace ? "replaceState" : "pushState"](null, "", "#" + new URLSearchParams(set));
  apply();
}

// Someone who came by a link wants to see the list.
function reveal() {
  if (Object.values(state()).some(Boolean)) $("cases-title").scrollIntoView();
}

let timer;
form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => go(Object.fromEntries(FIELDS.map((name) => [name, field[name].value])), true), 120);
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  go({}, false);
});
addEventListener("hashchange", () => { apply(); reveal(); });

// Requirements that nobody breaks fold away, once there is a script to unfold them.
const toggle = $("show-kept");
if (toggle) {
  const fold = (hidden) => {
    $("kept").hidden = hidden;
    toggle.setAttribute("aria-expanded", String(!hidden));
  };
  toggle.addEventListener("click", () => fold(!$("kept").hidden));
  fold(true);
}

function step(by) {
  const all = [...list.querySelectorAll(".group[open] .case > details > summary")];
  const at = all.findIndex((it) => it.closest(".case").contains(document.activeElement));
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
  if (next) next.focus();
}

function copyCommand() {
  const here = document.activeElement.closest(".case");
  const button = here && here.querySelector(".command button");
  if (button) button.click();
}

const KEYS = {
  "/": () => field.q.focus(), "j": () => step(1), "k": () => step(-1), "c": copyCommand,
};
addEventListener("keydown", (event) => {
  const typing = event.target.closest && event.target.closest("input, select");
  if (event.key === "Escape" && typing) event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

addEventListener("beforeprint", () => {
  for (const details of list.querySelectorAll(".group:first-child .case > details")) {
    details.open = true;
    details.fill();
  }
});
apply();
reveal();
