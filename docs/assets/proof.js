// The proof page's rows, and what the home page and the service's page say of the whole.

// How many blocks each page shows, as the site was built.
function shownBlocks() {
  const listed = document.querySelector("meta[name=blocks]")?.content.split(",") ?? [];
  return listed.filter(Boolean).flatMap((entry) => {
    const [page, count] = entry.trim().split(" ");
    return Array.from({ length: Number(count) }, (_, index) => `${page}:${index + 1}`);
  });
}

// The blocks of another page of the site by their number, as a reader of that page sees them.
async function blocksOfPage(address) {
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) return new Map();
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return new Map(blocksOf(page).map((block) => [block.id, block]));
}

function showRow(row, told, shown, why) {
  const cell = row.querySelector("[data-proof]");
  const line = details(told, row.dataset.row, shown, why);
  line.open = cell.querySelector("details")?.open || row.matches(":target");
  const path = told.ledger?.blocks.find((block) => block.id === row.dataset.row)?.path;
  cell.replaceChildren(line);
  row.dataset.state = line.classList.contains("dont") && line.matches(".passed") ? "dont" : line.classList[1];
  if (path && !row.querySelector("code")) row.firstElementChild.append(Object.assign(document.createElement("code"), { textContent: path }));
}

// All rows are told what the ledger records, then compared, page by page.
async function showRows(section, told) {
  const rows = [...section.querySelectorAll("[data-row]")];
  if (!told.ledger) return rows.forEach((row) => showRow(row, told, null));
  rows.forEach((row) => showRow(row, told, null, "Being compared."));
  const blocks = globalThis.crypto?.subtle ? await blocksOfPage(section.dataset.page) : null;
  await Promise.all(rows.map(async (row) => {
    const block = blocks?.get(row.dataset.row);
    showRow(row, told, block ? await hashOfBlock(block.code) : null, blocks ? NOT_READ : NOT_COMPARED);
  }));
}

function filterRows(form) {
  const { text, state } = Object.fromEntries(new FormData(form));
  let left = 0;
  for (const row of document.querySelectorAll("[data-row]")) {
    const open = !["passed", "dont"].includes(row.dataset.state);
    const right = !state || (state === "open" ? open : row.dataset.state === state);
    row.hidden = !right || !row.textContent.toLowerCase().includes(text.toLowerCase());
    left += !row.hidden;
  }
  for (const section of document.querySelectorAll("section.rows")) {
    section.hidden = !section.querySelector("[data-row]:not([hidden])");
  }
  form.querySelector("output").textContent = `${left} shown`;
}

// A link to a row opens and marks it.
function openTarget() {
  const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!row?.matches("[data-row]")) return;
  document.querySelectorAll("[data-row].target").forEach((other) => other.classList.remove("target"));
  row.classList.add("target");
  const line = row.querySelector("details");
  if (line) line.open = true;
}

// What all of some blocks were proven on, as one of them tells it.
function shared(blocks) {
  const [first, ...others] = blocks.filter((block) => !block.since).map((block) => Object.entries(block.pythons ?? {}));
  const everywhere = ([python]) => others.every((each) => each.some(([other]) => other === python));
  return { pythons: Object.fromEntries((first ?? []).filter(everywhere)) };
}

function showSummary(element, told) {
  if (!told.ledger) return void (element.textContent = told.words);
  const ids = shownBlocks();
  const blocks = ids.map((id) => told.ledger.blocks.find((block) => block.id === id)).filter(Boolean);
  const proofs = blocks.map((block) => block.proofs.at(-1)).filter(Boolean);
  const sum = (key) => proofs.reduce((total, proof) => total + proof[key].length, 0);
  const passed = proofs.filter((proof) => proof.outcome === "passed").length;
  const run = told.ledger.runs.at(-1);
  const theirs = blocks.length < ids.length ? "their " : "";
  const sentences = [`${passed} of ${ids.length} blocks of this site proven, `
    + `${sum("executed")} of ${theirs}${sum("executable")} executable lines run${run ? `, last on ${pythonsOf(shared(blocks), run)}, ${day(run.date)}` : ""}.`];
  const claims = told.ledger.claims ?? [];
  const held = claims.filter((claim) => claim.outcome === "passed").length;
  const pages = [...new Set(ids.map((id) => id.split(":")[0]))];
  const withClaims = pages.filter((page) => claims.some((claim) => claim.page === `${page}.md`));
  const part = withClaims.length < pages.length ? `, on ${withClaims.length} of ${pages.length} pages` : "";
  if (claims.length) sentences.push(`${held} of ${claims.length} sentences held${part}.`);
  if (told.state === "other") sentences.push("The ledger is of another build of the site than this page: reload it.");
  element.textContent = sentences.join(" ");
}

// Where the image's base came from, in words for people: a tool's own error tells a reader nothing.
function imageOf(service) {
  if (!service.image) return service.skipped.join(" ");
  return /error|errno|exception|traceback/i.test(service.image)
    ? "Its image was built on a base that was made locally, since no registry could be reached."
    : `Its image was built on: ${service.image}.`;
}

function showService(element, told) {
  const service = told.ledger?.service;
  if (!service) return void (element.textContent = told.words ?? "No run is recorded of it.");
  element.textContent = `${service.tests} tests ${service.outcome} where it stands alone, `
    + `and ran ${service.coverage} % of its lines and branches. ${imageOf(service)}`;
}

function show(told) {
  document.querySelectorAll("[data-ledger]").forEach((element) => showSummary(element, told));
  document.querySelectorAll("[data-service]").forEach((element) => showService(element, told));
  return Promise.all([...document.querySelectorAll("section.rows")].map((section) => showRows(section, told)));
}

addEventListener("hashchange", openTarget);
document$.subscribe(async () => {
  const form = document.querySelector(".rows-filter");
  if (form) {
    form.addEventListener("input", () => filterRows(form));
    form.addEventListener("submit", (event) => event.preventDefault());
  }
  await show(waiting);
  openTarget();
  await show(await recorded());
  openTarget();
  if (form) filterRows(form);
});
