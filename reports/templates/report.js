"use strict";
// Draws the list of cases from the embedded JSON. All of it is hostile text: it only
// ever becomes the text of a node, never markup.
(() => {
  const STEP = 200;
  const GROUP = {
    "pass": "passed", "fail": "failed", "wrong-data": "failed", "crashed": "failed",
    "timed-out": "failed", "harness-error": "harness-errors",
  };
  const UNEXPECTED = new Set(["failed", "harness-errors", "fixed"]);
  const SECTIONS = ["Unexpected", "Expected deviations, notes and skipped", "Passing"];
  const FIELDS = ["q", "verdict", "subject", "level", "requirement"];

  const data = JSON.parse(document.getElementById("data").textContent);
  const requirements = new Map(data.requirements.map((r) => [r.id, r]));
  const form = document.getElementById("filter");
  const list = document.getElementById("cases");
  const shown = document.getElementById("shown");
  const field = Object.fromEntries(FIELDS.map((f) => [f, document.getElementById("f-" + f)]));
  const group = (verdict) => GROUP[verdict] || verdict;

  function el(name, properties, ...children) {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  }

  function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", "#i-" + name);
    svg.append(use);
    return svg;
  }

  function section(item) {
    const groups = item.runs.map((run) => group(run.v));
    if (groups.some((g) => UNEXPECTED.has(g))) return 0;
    return groups.every((g) => g === "passed") ? 2 : 1;
  }

  for (const item of data.cases) {
    item.section = section(item);
    item.text = [item.id, item.title, ...item.runs.flatMap((r) => [r.m || "", r.k || "", ...(r.d || []).flat()])]
      .join("\n").toLowerCase();
  }
  for (const requirement of data.requirements) {
    field.requirement.append(el("option", { value: requirement.id }, requirement.id));
  }

  function copyButton(text, source) {
    const button = el("button", { type: "button" }, "Copy");
    button.setAttribute("aria-label", "Copy the command");
    button.addEventListener("click", async () => {
      let done = false;
      try {
        await navigator.clipboard.writeText(text);
        done = true;
      } catch {
        // Without a clipboard the text is selected for the reader to copy.
        getSelection().selectAllChildren(source);
      }
      button.textContent = done ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    return button;
  }

  // The roles outlive the narrow layout, in which the table is no table to the eye.
  function comparison(differences) {
    const row = (...cells) => el("tr", { role: "row" }, ...cells);
    const head = ["where", "expected", "observed"].map((name) =>
      el("th", { scope: "col", role: "columnheader" }, name));
    const cell = (text, className) => el("td", { className, role: "cell" }, el("code", {}, text));
    const rows = differences.map(([place, expected, observed]) =>
      row(el("th", { scope: "row", role: "rowheader" }, place), cell(expected, "expected"), cell(observed, "observed")));
    return el("table", { className: "compare", role: "table" },
      el("thead", { role: "rowgroup" }, row(...head)), el("tbody", { role: "rowgroup" }, ...rows));
  }

  function requirement(id) {
    const found = requirements.get(id);
    if (!found) return el("p", { className: "needs" }, el("code", {}, id));
    const source = el("span", { className: "source" }, el("span", { className: "tag" }, found.strength), " ");
    if (found.security) source.append(el("span", { className: "tag security" }, icon("security"), "security"), " ");
    source.append(el("code", {}, found.id), " " + found.source);
    return el("p", { className: "needs" }, el("span", { className: "sentence" }, found.text), source);
  }

  function run(run) {
    const name = data.subjects[run.s];
    const nodes = [el("h3", { className: "g-" + group(run.v) }, icon(group(run.v)), name + ": " + run.v)];
    if (run.m) nodes.push(el("p", {}, run.m));
    if (run.k) nodes.push(el("p", {}, "Known: " + run.k));
    if (run.d) nodes.push(comparison(run.d));
    const command = el("pre", {}, run.r);
    nodes.push(el("div", { className: "command" }, command, copyButton(run.r, command)));
    return nodes;
  }

  function body(item) {
    const link = el("a", { className: "link", href: "#case=" + encodeURIComponent(item.id) }, "Link to this case");
    return el("div", { className: "body" }, el("p", {}, item.title),
      ...item.requirements.map(requirement), ...item.runs.flatMap(run), el("p", {}, link));
  }

  function entry(item) {
    const chips = item.runs.map((r) => el("span", { className: "g-" + group(r.v) },
      icon(group(r.v)), data.subjects[r.s] + ": " + r.v));
    const details = el("details", {}, el("summary", {}, el("code", {}, item.id),
      el("span", { className: "chips" }, ...chips)));
    const fill = () => { if (details.open && details.children.length === 1) details.append(body(item)); };
    details.addEventListener("toggle", fill);
    details.fill = fill;
    return el("li", { className: "case" }, details);
  }

  function drawSection(index, items, open) {
    const ul = el("ul", {});
    const more = el("button", { type: "button", className: "more" });
    const title = el("summary", {}, SECTIONS[index] + ": " + items.length);
    const details = el("details", { className: "group", open }, title, ul, more);
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
    return Object.fromEntries([...FIELDS, "case"].map((f) => [f, parameters.get(f) || ""]));
  }

  function matches(item, want) {
    if (want.case && item.id !== want.case) return false;
    if (want.level && item.level !== want.level) return false;
    if (want.requirement && !item.requirements.includes(want.requirement)) return false;
    if (want.q && !item.text.includes(want.q.toLowerCase())) return false;
    return item.runs.some((r) => (!want.subject || data.subjects[r.s] === want.subject)
      && (!want.verdict || r.v === want.verdict
        || (want.verdict === "unexpected" && UNEXPECTED.has(group(r.v)))));
  }

  function draw() {
    const want = state();
    const filtered = Object.values(want).some(Boolean);
    const found = data.cases.filter((item) => matches(item, want));
    const sections = SECTIONS.map((_, index) => found.filter((item) => item.section === index));
    const nodes = sections.flatMap((items, index) =>
      items.length ? [drawSection(index, items, index === 0 || (filtered && index === 1) || found.length <= STEP && filtered)] : []);
    list.replaceChildren(...nodes);
    shown.textContent = found.length + " of " + data.cases.length + " cases";
    if (found.length === 1) {
      const only = list.querySelector(".case > details");
      if (only) { only.open = true; only.fill(); }
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
    const hash = "#" + new URLSearchParams(set);
    history[replace ? "replaceState" : "pushState"](null, "", hash);
    apply();
  }

  // Someone who came by a link wants to see the list.
  function reveal() {
    if (Object.values(state()).some(Boolean)) document.getElementById("cases-title").scrollIntoView();
  }

  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => go(Object.fromEntries(FIELDS.map((f) => [f, field[f].value])), true), 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => { event.preventDefault(); clearTimeout(timer); go({}, false); });
  addEventListener("hashchange", () => { apply(); reveal(); });
  addEventListener("beforeprint", () => {
    for (const details of list.querySelectorAll(".group:first-child .case > details")) {
      details.open = true;
      details.fill();
    }
  });
  apply();
  reveal();
})();
