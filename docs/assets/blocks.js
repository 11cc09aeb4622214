// Shows beside each block what the ledger records of it, and marks what must not be taken for good.
const COMMENTS = { json: "//", text: "", markdown: "" };

function said(told, id, shown, why) {
  const block = told.ledger?.blocks.find((candidate) => candidate.id === id);
  const proof = block?.proofs.at(-1);
  const run = told.ledger?.runs.find((candidate) => candidate.id === proof?.run);
  const on = run ? `on ${pythonsOf(block, run)}, ${day(run.date)}` : "";
  const seen = block?.path.endsWith(".fails.out") ? "Seen" : "Proven";
  const how = block?.kind === "dont" ? "Don't: fails as described" : seen;
  const needs = block?.since ? `it needs Python ${block.since} or newer` : "";
  const words = {
    since: needs && `Not run ${on}: ${needs}.`,
    none: "No run is recorded for this block.",
    failed: `Failed ${on}.`,
    passed: `${how} ${on}${needs && `; ${needs}`}`,
  };
  const [state, sentence] = verdict(told, run ? proof : null, block?.sha256, shown, words, why);
  return { block, run, state, sentence };
}

// The runs that proved a block: the one of its proof, or one for each Python of a merged ledger.
function runsOf(block, run, ledger) {
  const ids = Object.values(block.pythons ?? {});
  const runs = ids.map((id) => ledger.runs.find((candidate) => candidate.id === id)).filter(Boolean);
  return runs.length > 1 ? runs : [run];
}

function inWords(run, several) {
  const commit = run.commit?.slice(0, 12) ?? "none";
  const dirty = run.commit?.endsWith("-dirty") ? ", with changes" : "";
  return `${several ? `Python ${run.python}, ` : ""}${run.id}, ${run.platform}, commit ${commit}${dirty}`;
}

function facts(block, run, ledger) {
  const proof = block.proofs.at(-1);
  const runs = runsOf(block, run, ledger);
  const rows = runs.map((each) => ["Run", inWords(each, runs.length > 1)]);
  const packages = Object.entries(run.packages).map(([name, version]) => `${name} ${version}`);
  if (packages.length) rows.push(["With", packages.join(", ")]);
  if (block.expects.raises) rows.push(["Must fail with", `${block.expects.raises}: ${block.expects.match}`]);
  for (const finding of block.expects.findings) rows.push(["Must be reported", `${finding.tool} ${finding.code}, line ${finding.line}`]);
  if (proof.executable.length) rows.push(["Lines run", `${proof.executed.length} of ${proof.executable.length}`]);
  rows.push(["Checks", proof.checks.join(", ")]);
  for (const test of proof.tests) rows.push(["Test", test]);
  return rows;
}

function list(rows) {
  const element = document.createElement("dl");
  for (const row of rows) {
    const [term, value] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, value.textContent] = row;
    element.append(term, value);
  }
  return element;
}

// The proof line: it stands there before the ledger comes, so that nothing moves when it does.
function details(told, id, shown, why) {
  const { block, run, state, sentence } = said(told, id, shown, why);
  const element = document.createElement("details");
  element.className = `proof ${state} ${block?.kind ?? ""}`;
  element.append(document.createElement("summary"));
  element.firstChild.textContent = sentence;
  if (run) element.append(list(facts(block, run, told.ledger)));
  return element;
}

const repository = () => document.querySelector("meta[name=repository]").content.replace(/\/$/, "");
const sourceOf = (path) => `${repository()}/blob/main/${path}`;

// The blocks of a page in order, as the ledger numbers them, each with the link that its title ends in.
function blocksOf(root) {
  return [...root.querySelectorAll("article .highlight > .filename")].map((title, index) => {
    const link = title.querySelector(".proof-link");
    const page = link.hash.slice(1).replace(/:\d+$/, "");
    const highlight = title.parentElement;
    return { id: `${page}:${index + 1}`, title, link, highlight, code: highlight.querySelector("pre code") };
  });
}

// A title is the block's file and links to it. The proof page leads to the block's first line, which
// has no name where a docstring holds the block.
function linkTitle({ id, title, link }, index) {
  if (link.dataset.block) return;
  if (!document.getElementById(`__span-${index}-1`)) title.id = `__span-${index}-1`;
  link.dataset.block = id;
  link.hash = id;
  const path = [...title.childNodes].find((node) => node.nodeType === Node.TEXT_NODE);
  const name = document.createElement(repository() ? "a" : "span");
  name.className = "path";
  if (repository()) name.href = sourceOf(`snippets/${path.textContent.trim()}`);
  name.textContent = path.textContent.trim();
  path.remove();
  title.prepend(name);
}

const isDont = (highlight) => highlight.matches(".dont") || highlight.querySelector(".hll");

// A "don't" that was copied says so in its first line.
function warning({ highlight }) {
  if (!isDont(highlight)) return "";
  const language = [...highlight.classList].find((name) => name.startsWith("language-"))?.slice(9);
  const comment = COMMENTS[language] ?? "#";
  const seen = highlight.nextElementSibling?.matches(".highlight.language-text")
    ? `: ${highlight.nextElementSibling.querySelector("pre code").textContent.trim().split("\n")[0]}` : "";
  return `${comment} DON'T: fails as described${seen}\n`.trimStart();
}

function prepareCopy(block) {
  block.highlight.dataset.copy = warning(block) + block.code.textContent;
}

document.addEventListener("copy", (event) => {
  const selected = getSelection();
  const { anchorNode: node } = selected;
  const code = (node instanceof Element ? node : node?.parentElement)?.closest(".highlight pre code");
  const block = code && blocksOf(document).find((candidate) => candidate.code === code);
  if (!block || !code.contains(selected.focusNode) || !warning(block)) return;
  event.clipboardData.setData("text/plain", warning(block) + selected);
  event.preventDefault();
});

async function showBesideBlock(block, told) {
  const shown = told.ledger ? await hashOfBlock(block.code) : null;
  const line = details(told, block.id, shown);
  if (line.matches(".dont")) block.highlight.classList.add("dont");
  const before = block.highlight.querySelector(":scope > details.proof");
  if (before) before.replaceWith(line);
  else block.highlight.append(line);
  prepareCopy(block);
}

document$.subscribe(async () => {
  const blocks = blocksOf(document).filter((block) => block.code);
  blocks.forEach(linkTitle);
  blocks.forEach((block) => showBesideBlock(block, waiting));
  const told = await recorded();
  blocks.forEach((block) => showBesideBlock(block, told));
});
