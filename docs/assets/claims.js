// Shows on demand what holds each sentence: by the button below the title, or by the key h.
//
// Nothing on the page moves: sentences are painted, not wrapped, and a note lies over the page. So
// what is copied is the text alone. The arrow keys walk the sentences, Escape ends it.
const KINDS = {
  held: "A test holds this sentence.",
  shown: "A block's output in this section shows it.",
  sourced: "It links to its source.",
  pointer: "It only points to another page.",
  instruction: "It is an instruction: it says what to do.",
  judgement: "It is a judgement: we prefer it so.",
  label: "It only names what stands below it.",
};
const NOTHING = "Nothing holds this sentence.";
const UNITS = "p, li, h1, h2, h3, h4, td, th, dt, dd, figcaption, summary";
const NO_PROSE = "pre, .filename, details.proof, .headerlink, .claims, script, style, .doc, form, noscript, svg";

// The text of a unit as a reader sees it, with white space collapsed, and where each letter stands.
function textOf(unit) {
  const walker = document.createTreeWalker(unit, NodeFilter.SHOW_TEXT, ({ parentElement }) =>
    parentElement.closest(NO_PROSE) || parentElement.closest(UNITS) !== unit ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
  let text = "";
  const places = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    [...node.data].reduce((offset, letter) => {
      const space = /\s/.test(letter);
      if (!space || (text && !text.endsWith(" "))) {
        text += space ? " " : letter;
        for (let unit = 0; unit < (space ? 1 : letter.length); unit++) places.push([node, offset, letter.length]);
      }
      return offset + letter.length;
    }, 0);
  }
  return { text, places };
}

function rangeOf(places, start, end) {
  const range = new Range();
  range.setStart(places[start][0], places[start][1]);
  range.setEnd(places[end - 1][0], places[end - 1][1] + places[end - 1][2]);
  return range;
}

// Where a sentence begins in a unit, or -1. A label, and what stands in a cell, is all of its unit.
function placeOf({ sentence, kind, part }, text) {
  if (kind === "label" || part) return text.trim() === sentence ? 0 : -1;
  for (let at = text.indexOf(sentence); at >= 0; at = text.indexOf(sentence, at + 1)) {
    const [before, after] = [text[at - 1] ?? " ", text[at + sentence.length] ?? " "];
    if (before === " " && after === " ") return at;
  }
  return -1;
}

// Part a unit into sentences that the ledger knows, each once, and into what it doesn't know.
async function partUnit(unit, claims) {
  const { text, places } = textOf(unit);
  const found = [];
  for (const claim of claims) {
    if (claim.taken) continue;
    const start = placeOf(claim, text);
    const end = start + claim.sentence.length;
    if (start < 0 || found.some((other) => start < other.end && other.start < end)) continue;
    const shown = await sha256(text.slice(start, end));
    claim.taken = true;
    found.push({ start, end, claim, shown });
  }
  found.sort((one, other) => one.start - other.start);
  let last = 0;
  for (const { start, end } of [...found, { start: text.length, end: text.length }]) {
    const gap = text.slice(last, start);
    if (/\w/.test(gap)) {
      const from = last + gap.search(/\S/);
      found.push({ start: from, end: last + gap.trimEnd().length, claim: null });
    }
    last = end;
  }
  found.sort((one, other) => one.start - other.start);
  return found.map((sentence) => ({ ...sentence, unit, range: rangeOf(places, sentence.start, sentence.end) }));
}

// A row of a table is one sentence, its cells parted by bars: they are told apart here.
const inCells = (claim) => claim.sentence.includes(" | ")
  ? claim.sentence.split(" | ").filter((cell) => /\w/.test(cell)).map((sentence) => ({ ...claim, sentence, part: true })) : [claim];

async function sentencesOf(article, told) {
  const claims = told.ledger.claims.filter((claim) => claim.page === pageOf()).flatMap(inCells);
  const sentences = [];
  for (const unit of article.querySelectorAll(UNITS)) {
    if (!unit.closest(NO_PROSE)) sentences.push(...await partUnit(unit, claims));
  }
  return sentences;
}

const pageOf = () => document.querySelector("meta[name=source]").content;

// What is said of a sentence: whether it holds, in words, and the tests behind it.
function claimed({ claim, shown }, told) {
  if (!claim) return ["unheld", NOTHING, []];
  if (shown && !claim.part && shown !== claim.sha256) return ["unheld", "Not held: the sentence shown is not the one that was held.", []];
  const needs = claim.since ? ` It needs Python ${claim.since} or newer.` : "";
  if (claim.outcome === "skipped") return ["other", `The test that holds this sentence was not run.${needs}`, claim.tests];
  if (claim.outcome !== "passed") return ["unheld", claim.kind === "held" ? "The test that holds this sentence failed." : NOTHING, claim.tests];
  const run = told.ledger.runs.find((candidate) => candidate.id === claim.run);
  const when = run ? ` Last run on ${pythonsOf(claim, run)}, ${day(run.date)}: ${claim.outcome}.` : "";
  const compared = shown ? "" : ` ${NOT_COMPARED}`;
  return [claim.kind, (KINDS[claim.kind] ?? NOTHING) + (claim.kind === "held" ? when + needs : "") + compared, claim.tests];
}

function noteOf(sentence, told) {
  const [state, words, tests] = claimed(sentence, told);
  const note = document.createElement("div");
  note.className = `claims note ${state}`;
  note.append(Object.assign(document.createElement("strong"), { textContent: words }));
  for (const test of tests) {
    const [path, name] = test.split("::");
    const link = document.createElement(repository() ? "a" : "span");
    link.textContent = name ?? path;
    if (repository()) link.href = sourceOf(path);
    note.append(Object.assign(document.createElement("p"), { className: "test" }));
    note.lastChild.append(link, ` in ${path}`);
  }
  return note;
}

let shown = null;  // what is open: the sentences, and which one the note is about

function paint() {
  for (const state of ["held", "other", "unheld", "current"]) CSS.highlights.delete(`claim-${state}`);
  if (!shown) return;
  const kinds = { held: [], other: [], unheld: [] };
  for (const sentence of shown.sentences) {
    const [state] = claimed(sentence, shown.told);
    kinds[["held", "shown", "sourced"].includes(state) ? "held" : state === "unheld" ? "unheld" : "other"].push(sentence.range);
  }
  for (const [kind, ranges] of Object.entries(kinds)) CSS.highlights.set(`claim-${kind}`, new Highlight(...ranges));
  const current = shown.sentences[shown.at];
  if (current) CSS.highlights.set("claim-current", Object.assign(new Highlight(current.range), { priority: 1 }));
}

// Put the note below a sentence, over the page, and let a screen reader read both.
function pointAt(index) {
  shown.at = (index + shown.sentences.length) % shown.sentences.length;
  const sentence = shown.sentences[shown.at];
  const note = noteOf(sentence, shown.told);
  shown.panel.querySelector(".note")?.remove();
  shown.panel.querySelector("output").textContent = `${sentence.range}`.replace(/\s+/g, " ");
  shown.panel.append(note);
  const box = sentence.range.getBoundingClientRect();
  if (box.top < 60 || box.bottom > innerHeight - 160) {
    const { top } = sentence.range.getBoundingClientRect();
    scrollBy({ top: top - innerHeight / 3, behavior: "instant" });
  }
  paint();
}

function counted() {
  const states = shown.sentences.map((sentence) => claimed(sentence, shown.told)[0]);
  const held = states.filter((state) => state !== "unheld").length;
  return `${held} of ${states.length} sentences of this page are held. Arrow keys walk them, Escape ends this.`;
}

async function open(button) {
  const told = await recorded();
  const article = document.querySelector("article");
  const panel = Object.assign(document.createElement("aside"), { className: "claims panel", tabIndex: -1 });
  panel.setAttribute("aria-label", "What holds each sentence");
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "Close" });
  close.addEventListener("click", end);
  panel.append(document.createElement("p"), Object.assign(document.createElement("output"), { className: "quoted" }), close);
  document.body.append(panel);
  shown = { panel, button, told, sentences: [], at: -1 };
  button.setAttribute("aria-expanded", "true");
  if (Array.isArray(told.ledger?.claims)) shown.sentences = await sentencesOf(article, told);
  panel.firstChild.textContent = shown.sentences.length ? counted() : told.words ?? "The ledger holds no sentences of this page.";
  panel.focus();
  paint();
}

function end() {
  if (!shown) return;
  shown.panel.remove();
  shown.button.setAttribute("aria-expanded", "false");
  if (shown.button.isConnected && shown.panel.ownerDocument.activeElement === document.body) shown.button.focus({ preventScroll: true });
  shown = null;
  paint();
}

function toggle() {
  const button = document.querySelector(".claims.toggle");
  if (shown) end();
  else if (button) open(button);
}

// Which sentence lies under the mouse.
function sentenceAt(x, y) {
  return shown.sentences.findIndex(({ range }) => [...range.getClientRects()].some(
    (box) => box.left <= x && x <= box.right && box.top <= y && y <= box.bottom));
}

document.addEventListener("click", (event) => {
  if (!shown || event.target.closest(".claims, a, button, summary")) return;
  const index = sentenceAt(event.clientX, event.clientY);
  if (index >= 0) pointAt(index);
});

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (event.key === "h") toggle();
  else if (event.key === "Escape") end();
  else if (shown?.sentences.length && step) {
    event.preventDefault();
    pointAt(shown.at < 0 && step < 0 ? -1 : shown.at + step);
  }
});

document$.subscribe(() => {
  end();
  document.querySelector(".claims.toggle")?.addEventListener("click", toggle);
});
