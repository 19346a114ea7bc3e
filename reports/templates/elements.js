// Elements. Everything that the page shows is hostile text: it only ever becomes the text
// of a node, never markup.

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

function copyButton(text, source, what) {
  const button = el("button", { type: "button", className: "copy" }, "Copy");
  button.setAttribute("aria-label", "Copy " + what);
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

function command(text) {
  const pre = el("pre", {}, text);
  return el("div", { className: "command" }, pre, copyButton(text, pre, "the command"));
}

// A longer text with a heading and a button of its own.
function listing(heading, text, what) {
  const pre = el("pre", { tabIndex: 0 }, text);
  pre.setAttribute("aria-label", heading);
  pre.setAttribute("role", "region");
  return el("section", { className: "listing" },
    el("h3", {}, heading, copyButton(text, pre, what)), pre);
}

// The roles outlive the narrow layout, in which a table is no table to the eye.
function table(className, headings, rows) {
  const row = (...cells) => el("tr", { role: "row" }, ...cells);
  const head = headings.map((name) => el("th", { scope: "col", role: "columnheader" }, name));
  const body = rows.map(([first, ...rest]) => row(
    el("th", { scope: "row", role: "rowheader" }, first),
    ...rest.map((cell, index) => el("td", { className: headings[index + 1], role: "cell" }, cell))));
  return el("table", { className, role: "table" },
    el("thead", { role: "rowgroup" }, row(...head)), el("tbody", { role: "rowgroup" }, ...body));
}
