// Fetches the ledger, and compares what the page shows with what it holds.
//
// The page names the digest of the ledger beside which it was built. It is part of the address, so no
// cache answers with an older one; one that comes all the same is told from a broken block by it.
const asked = new Map();

const waiting = { state: "waiting", words: "The proof is being fetched." };
const without = {
  missing: "This copy of the site has no ledger, so it can't tell what was proven.",
  unreachable: "The ledger could not be fetched, so this page can't tell what was proven.",
  unreadable: "The ledger of this copy of the site can't be read, so it can't tell what was proven.",
};

async function ask(address, digest) {
  const answer = await fetch(address).catch(() => null);
  if (!answer) return { state: "unreachable", words: without.unreachable };
  if (answer.status === 404) return { state: "missing", words: without.missing };
  if (!answer.ok) return { state: "unreachable", words: without.unreachable };
  const ledger = await answer.json().catch(() => null);
  if (!Array.isArray(ledger?.blocks) || !Array.isArray(ledger.runs)) return { state: "unreadable", words: without.unreadable };
  return { state: ledger.digest === digest ? "whole" : "other", ledger };
}

// What the ledger of this page said: a promise, one for each ledger.
function recorded() {
  const { content: digest, dataset } = document.querySelector("meta[name=ledger]");
  const address = new URL(dataset.address, document.baseURI);
  if (!digest) return Promise.resolve({ state: "missing", words: without.missing });  // there was none to build with
  address.searchParams.set("digest", digest.slice(0, 16));
  if (!asked.has(address.href)) asked.set(address.href, ask(address, digest));
  return asked.get(address.href);
}

// The hash of a text as the ledger holds it, or null where the browser can't tell: over plain http.
async function sha256(text) {
  if (!globalThis.crypto?.subtle) return null;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const hashOfBlock = (code) => sha256(code.textContent.replace(/\n+$/, ""));
const day = (date) => new Date(date).toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" });

// The Pythons that proved something, in words: those of a merged ledger, or the one of a run.
function pythonsOf(entry, run) {
  const minors = Object.keys(entry?.pythons ?? {});
  return `Python ${minors.length > 1 ? new Intl.ListFormat("en-GB").format(minors) : run.python}`;
}

const NOT_COMPARED = "The text shown was not compared: over plain http a browser can't.";
const NOT_READ = "The text shown was not compared: its page could not be read.";
const CHANGED = "Not proven: the text shown is not the text that ran.";
const OTHER = "Not compared: this page and the ledger are of different builds of the site. Reload the page.";

// What can be said of something that the ledger holds: a state, and words for it.
// `shown` is the hash of what the reader sees; null where nothing was compared, and `why` says why.
function verdict(told, proof, sha, shown, words, why = NOT_COMPARED) {
  if (!told.ledger) return [told.state === "waiting" ? "waiting" : "unproven", told.words];
  if (!proof) return ["unproven", words.none];
  if (shown && shown !== sha) return told.state === "other" ? ["unproven", OTHER] : ["broken", CHANGED];
  if (proof.outcome === "skipped" && words.since) return ["unproven", words.since];
  if (proof.outcome === "skipped") return ["unproven", "Not run where the rest was: a program was missing."];
  if (proof.outcome !== "passed") return ["broken", words.failed];
  return ["passed", shown ? words.passed : `${words.passed}. ${why}`];
}
