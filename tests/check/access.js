// What test_access.py asks of a page: loaded once, it stays while the tab walks the site.

const ACTIVE = "a[href], button, input, select, summary, textarea, [tabindex]";
// Material's tabs are radio buttons, of which Tab visits one; the arrows show the others.
const LABELS = ".tabbed-labels";
const TABS = `.tabbed-set > input, ${LABELS}, ${LABELS} *, .tabbed-control, .tabbed-control *`;
const all = (selector) => [...document.querySelectorAll(selector)];
const frames = () => new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)));

// Each change shows at once.
const still = new CSSStyleSheet();
still.replaceSync("*, ::before, ::after { animation: none; transition: none !important }");
document.adoptedStyleSheets.push(still);

// Follow a link as a click would, and mark what is left behind.
function leave(href) {
  document.querySelector("[data-md-component=container]").dataset.left = "";
  const link = Object.assign(document.createElement("a"), { href });
  document.body.append(link);
  link.click();
  link.remove();
}

function arrived() {
  return document.querySelector("[data-md-component=container]:not([data-left])")
    && all("details.proof").length === all(".proof-link, [data-row]").length;
}

// Undo what was done on the page: it looks as it did, and Tab begins at its top.
function reset() {
  all("details[open]").forEach((details) => { details.open = false; });
  all("[data-md-toggle]:checked").forEach((toggle) => toggle.click());
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
  scrollTo(0, 0);
}

// What axe finds by all of its default rules. The other scheme changes colours and its own switch,
// so only these are judged again: the rules on colours are of axe's category "cat.color".
async function audit() {
  // To judge contrast takes long: one token of each kind stays, the others become plain text.
  const kinds = new Set();
  for (const token of all("pre code span:not(:has(*))")) {
    const known = kinds.size;
    kinds.add(`${token.parentElement.className} ${token.className}`);
    if (kinds.size === known) token.replaceWith(token.textContent);
  }
  all("pre code").forEach((code) => code.normalize());
  // Axe judges no text beside a pseudo-element, and looks for them long; here they are icons.
  axe.configure({ checks: [{ id: "color-contrast", options: { ignorePseudo: true } }] });
  const found = [];
  const judge = async (where, rules) => {
    const { violations } = await axe.run(where, { resultTypes: ["violations"], ...rules });
    for (const { id, nodes } of violations)
      for (const { html, failureSummary } of nodes)
        found.push(`${document.body.dataset.mdColorScheme}: ${id}: ${html}\n${failureSummary}`);
  };
  const palette = "[data-md-component=palette]";
  const toggle = () => document.querySelector(`${palette} label:not([hidden])`).click();
  await judge(document, {});
  toggle();
  await judge(document, { runOnly: ["color-contrast", "link-in-text-block"] });
  await judge(palette, {});
  toggle();
  return found;
}

// Tell whether a reader sees that an element has the focus.
function shows(element) {
  const box = element.getClientRects()[0];
  const middle = (from, to, end) => (Math.max(from, 0) + Math.min(to, end)) / 2;
  const x = middle(box.left, box.right, innerWidth);
  const y = middle(box.top, box.bottom, innerHeight);
  return getComputedStyle(element).outlineStyle === "auto"
    && element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    && element.contains(document.elementFromPoint(x, y));
}

const stops = new Map();
let wanted = [];

addEventListener("keyup", ({ key }) => {
  const stop = document.activeElement;
  // Not every browser stops at what merely scrolls.
  if (key === "Tab" && stop.matches(ACTIVE)) stops.set(stop, shows(stop));
});

// Count what takes the keyboard below the heading to which the skip link leads.
function want() {
  const heading = document.getElementById(document.querySelector(".md-skip").hash.slice(1));
  const scrolls = (element) => element.scrollWidth > element.clientWidth
    && ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  wanted = all("article *").filter((element) => element.checkVisibility()
    && heading.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING
    && !element.matches(TABS) && (element.matches(ACTIVE) || scrolls(element)));
  stops.clear();
  // A browser may stop at labels that scroll too.
  return wanted.length + all("article .tabbed-set").length + all(LABELS).filter(scrolls).length;
}

function walked() {
  return {
    missed: wanted.filter((element) => !stops.has(element)).map((element) => element.outerHTML),
    unseen: [...stops].filter(([element, seen]) => !seen && !element.matches(TABS)).map(([element]) => element.outerHTML),
    trapped: document.activeElement.closest("article") !== null,
  };
}

// List what the Tab key came by within an element: its text, and whether a reader saw it.
function stopsIn(selector) {
  return [...stops].filter(([element]) => element.closest(selector))
    .map(([element, seen]) => [element.textContent.trim(), seen]);
}

Object.assign(globalThis, { leave, arrived, reset, frames, audit, shows, stops, stopsIn, want, walked });
