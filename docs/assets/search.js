// Material's search worker, with one method of lunr mended. Its index writes each state as labels
// and numbers in a row: the edge "1" to state 23 reads as the edge "12" to state 3. Two states that
// read alike become one, and then a query such as "5" raises TypeError and finds nothing.
importScripts(`javascripts/workers/${location.search.slice(1)}`);

lunr.TokenSet.prototype.toString = function toString() {
  const edges = Object.keys(this.edges).sort().map((label) => `${label}${this.edges[label].id},`);
  return `${Number(this.final)}${edges.join("")}`;
};
