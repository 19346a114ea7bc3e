// The picture of a chain: each file a box with its role and, for a label case, who may use
// it before, during and after; arrows for what leads to what. The matrix, drawn.

const USUAL = "system_u:object_r:";

// What a box says of a file: its state before the first step, then after each step what was
// required or, where a run says otherwise, what was seen.
function moments(setup, file, run) {
  const [name, , , owner, , label] = file;
  const observed = run && run.n !== undefined ? run.n : setup.steps.length;
  let last = [owner, label];
  const list = [{ moment: "before", state: last }];
  setup.steps.forEach((step, number) => {
    if (number >= observed) {
      list.push({ moment: step, missing: true });
      return;
    }
    const cell = setup.matrix.find((it) => it[0] === step && it[1] === name);
    const seen = run && (run.c || []).find((it) => it[0] === step && it[1] === name);
    const words = cell ? cell[2] : "untouched";
    let required = cell ? [cell[3], cell[4]] : [owner, label];
    // What a step must keep is what the last one left, right or wrong.
    if (words.startsWith("kept")) required = last;
    const entry = { moment: step, words, state: seen ? seen[3] : required };
    if (seen) Object.assign(entry, { required: seen[2], allowed: seen[4] });
    list.push(entry);
    last = entry.state;
  });
  return list;
}

function short(label) {
  if (label === null) return "no label";
  return label.startsWith(USUAL) ? label.slice(USUAL.length) : label;
}

function stateCell(name, value, required, full) {
  const differs = required !== undefined && required !== value;
  const cell = el("td", { className: name }, el("span", { className: differs ? "seen" : "" }, value));
  if (full) cell.title = full;
  if (differs) cell.append(el("span", { className: "required" }, "required: " + required));
  return cell;
}

function momentRow({ moment, state, words, required, allowed, missing }) {
  const row = el("tr", {}, el("th", { scope: "row" }, moment));
  if (missing) {
    row.append(el("td", { colSpan: 2, className: "dim" }, "not reached"));
    return row;
  }
  if (words) row.title = "required: " + words;
  if (required) {
    row.className = allowed ? "allowed" : "wrong";
    row.firstChild.append(icon(allowed ? "lenient" : "failed"),
      el("span", { className: "unseen" }, allowed ? " (allowed)" : " (wrong)"));
  }
  row.append(stateCell("owner", state[0], required && required[0]),
    stateCell("label", short(state[1]), required && short(required[1]), state[1] || ""));
  return row;
}

function box(setup, file, run) {
  const [name, kind, roles, owner, mode, label, decoy] = file;
  const role = [...roles, ...(decoy ? ["decoy"] : [])].join(", ") || "not in the chain";
  const node = el("div", { className: "box" + (roles.length ? "" : " outside") },
    el("div", { className: "title" }, el("code", {}, name), el("span", { className: "role" }, role)));
  node.append(el("div", { className: "dim" }, setup.steps.length
    ? kind + ", mode " + mode : [kind, owner, mode, ...(label === null ? [] : [label])].join(", ")));
  if (setup.steps.length) {
    const rows = moments(setup, file, run).map(momentRow);
    if (rows.some((row) => row.className === "wrong")) node.classList.add("wrong");
    const head = ["when", "owner", "label"].map((it) => el("th", { scope: "col" }, it));
    node.append(el("table", {}, el("thead", { className: "unseen" }, el("tr", {}, ...head)),
      el("tbody", {}, ...rows)));
  }
  return node;
}

// A name that leads to no file of the fixture.
function ghost(name) {
  return el("div", { className: "box ghost" },
    el("div", { className: "title" }, el("code", {}, name)), el("div", { className: "dim" }, "no such file here"));
}

function arrow(direction, link) {
  const words = { "data-file": "data file", target: "symbolic link" }[link[2]] || link[2];
  return el("div", { className: "arrow " + direction },
    el("span", {}, words), el("span", { className: "dim" }, "by " + link[3]));
}

// Columns from the top image to the last backing image; under each image its data file.
function chain(setup, run) {
  const files = new Map(setup.files.map((file) => [file[0], file]));
  const drawn = new Set();
  const draw = (name) => {
    drawn.add(name);
    return files.has(name) ? box(setup, files.get(name), run) : ghost(name);
  };
  const links = (name, kind) => setup.links.filter((link) => link[0] === name && link[2] === kind);
  const below = (name) => ["data-file", "target"].flatMap((kind) => links(name, kind))
    .filter((link) => !drawn.has(link[1]))
    .flatMap((link) => [arrow("down", link), draw(link[1]), ...below(link[1])]);
  const row = (name, link) => {
    if (drawn.has(name)) return [];
    const column = el("div", { className: "column" }, draw(name), ...below(name));
    const rest = links(name, "backing").flatMap((next) => row(next[1], next));
    return link ? [arrow("right", link), column, ...rest] : [column, ...rest];
  };
  // Long chains are scrolled, also by keyboard.
  const picture = el("div", { className: "chain", tabIndex: 0, role: "group", ariaLabel: "Chain" });
  const line = (nodes) => { if (nodes.length) picture.append(el("div", { className: "line" }, ...nodes)); };
  for (const file of setup.files.filter((it) => it[2].includes("top"))) line(row(file[0]));
  const linked = setup.files.filter((it) => setup.links.some((link) => link[0] === it[0]));
  for (const file of linked) line(row(file[0]));
  line(setup.files.filter((it) => !drawn.has(it[0]))
    .map((file) => el("div", { className: "column" }, draw(file[0]))));
  return picture;
}
