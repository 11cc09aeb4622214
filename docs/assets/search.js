// Material's search worker, with two things mended.

// Its index has no common words, but a question such as "add a page" asks for all that begins with
// "a", and one such as "uvicorn --workers" for what doesn't have "workers". So a question loses its
// common words, unless it has no others, and an option its dashes.
const ASKED = 2;

addEventListener("message", (event) => {
  const { type, data } = event.data;
  if (type !== ASKED) return;
  const words = data.split(/\s+/).map((word) => word.replace(/^--+/, ""));
  const kept = words.filter((word) => lunr.stopWordFilter(word.toLowerCase()));
  const asked = (kept.length ? kept : words).join(" ");
  if (asked === data) return;
  event.stopImmediatePropagation();
  dispatchEvent(new MessageEvent("message", { data: { type, data: asked } }));
});

importScripts(`javascripts/workers/${location.search.slice(1)}`);

// lunr writes each state of an index as labels and numbers in a row: the edge "1" to state 23 reads
// as the edge "12" to state 3. Two states that read alike become one, and then a query such as "5"
// raises TypeError and finds nothing.
lunr.TokenSet.prototype.toString = function toString() {
  const edges = Object.keys(this.edges).sort().map((label) => `${label}${this.edges[label].id},`);
  return `${Number(this.final)}${edges.join("")}`;
};
