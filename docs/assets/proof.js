// Shows what the ledger records of each block, beside the block.
const ledgerUrl = new URL("../ledger.json", document.currentScript.src);
const recorded = fetch(ledgerUrl).then((answer) => answer.ok ? answer.json() : null).catch(() => null);

async function sha256(text) {
  const bytes = new TextEncoder().encode(text.replace(/\n+$/, ""));
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const day = (date) => new Date(date).toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" });

function verdict(block, run, shown) {
  const proof = block?.proofs.at(-1);
  if (!proof) return ["unproven", "No run is recorded for this block."];
  if (shown && shown !== block.sha256) return ["broken", "Not proven: the text shown is not the text that ran."];
  if (proof.outcome === "skipped") return ["unproven", "Not run where the rest was: a program was missing."];
  if (proof.outcome !== "passed") return ["broken", `Failed on Python ${run.python}, ${day(run.date)}.`];
  const how = block.kind === "dont" ? "Fails as described" : "Proven";
  return ["passed", `${how} on Python ${run.python}, ${day(run.date)}`];
}

function facts(block, run) {
  const proof = block.proofs.at(-1);
  const commit = run.commit?.slice(0, 12) ?? "none";
  const dirty = run.commit?.endsWith("-dirty") ? ", with changes" : "";
  const rows = [["Run", `${run.id}, ${run.platform}, commit ${commit}${dirty}`]];
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

function details(ledger, id, shown) {
  const block = ledger?.blocks.find((candidate) => candidate.id === id);
  const run = ledger?.runs.find((candidate) => candidate.id === block?.proofs.at(-1)?.run);
  const [state, sentence] = verdict(block, run, shown);
  const element = document.createElement("details");
  element.className = `proof ${state} ${block?.kind ?? ""}`;
  element.append(document.createElement("summary"));
  element.firstChild.textContent = sentence;
  if (run) element.append(list(facts(block, run)));
  return element;
}

async function showBesideBlock(link, ledger) {
  const highlight = link.closest(".highlight");
  const text = highlight.querySelector("pre code").textContent;
  const shown = globalThis.crypto?.subtle ? await sha256(text) : null;
  highlight.querySelector("details.proof")?.remove();
  highlight.append(details(ledger, link.dataset.block, shown));
}

function showInRow(row, ledger) {
  row.querySelector("[data-proof]").replaceChildren(details(ledger, row.dataset.row, null));
}

function showSummary(element, ledger) {
  const proofs = ledger?.blocks.map((block) => block.proofs.at(-1)).filter((proof) => proof) ?? [];
  if (!proofs.length) return;
  const sum = (key) => proofs.reduce((total, proof) => total + proof[key].length, 0);
  const passed = proofs.filter((proof) => proof.outcome === "passed").length;
  const run = ledger.runs.at(-1);
  element.textContent = `${passed} of ${ledger.blocks.length} blocks proven, `
    + `${sum("executed")} of ${sum("executable")} executable lines run, `
    + `last on Python ${run.python}, ${day(run.date)}.`;
}

function showService(element, ledger) {
  const service = ledger?.service;
  if (!service) return;
  const image = service.image ? `Its image was built on: ${service.image}.` : service.skipped.join(" ");
  element.textContent = `${service.tests} tests ${service.outcome} where it stands alone, `
    + `and ran ${service.coverage} % of its lines and branches. ${image}`;
}

document$.subscribe(async () => {
  const ledger = await recorded;
  document.querySelectorAll(".proof-link").forEach((link) => showBesideBlock(link, ledger));
  document.querySelectorAll("[data-row]").forEach((row) => showInRow(row, ledger));
  document.querySelectorAll("[data-ledger]").forEach((element) => showSummary(element, ledger));
  document.querySelectorAll("[data-service]").forEach((element) => showService(element, ledger));
});
