// Folds in a long block of Python what only proves it: the imports above, `main` below, and between
// them what the file itself sets apart, from `# region <its name>` to `# endregion`.
//
// The lines stay in the page, so that the text that is compared and copied is the whole file.
const LONGEST = 25;  // lines that are shown as they stand

// The first and the last line of what may be folded, counted from 1.
function foldable(lines) {
  const blank = (line) => !line.trim();
  let last = 0;
  let open = 0;  // brackets of an import over several lines
  for (const [index, line] of lines.entries()) {
    if (!open && !blank(line) && !/^(?:import|from) /.test(line)) break;
    if (blank(line)) continue;
    open += (line.match(/\(/g)?.length ?? 0) - (line.match(/\)/g)?.length ?? 0);
    last = index + 1;
  }
  const main = lines.findIndex((line) => /^(?:async )?def main\(/.test(line)) + 1
    || lines.findIndex((line) => /^if __name__ ==/.test(line)) + 1;
  const after = main ? lines.slice(main).filter((line) => /^\S/.test(line) && !/^(?:if __name__ ==|\)|#)/.test(line)) : [];
  const folds = [];
  lines.forEach((line, index) => {
    const what = /^# region (.+)/.exec(line)?.[1];
    let end = what ? lines.indexOf("# endregion", index) + 1 : 0;
    while (end && blank(lines[end] ?? "x")) end += 1;
    if (end) folds.push([what, index + 1, end]);
  });
  while (last && blank(lines[last] ?? "x")) last += 1;  // and the blank lines beside it
  if (last > 1) folds.push(["imports", 1, last]);
  let first = main;
  const taken = Math.max(...folds.map(([, , end]) => end), 0);
  while (first > taken + 1 && blank(lines[first - 2])) first -= 1;
  if (main && !after.length) folds.push(["what runs it", first, lines.length]);
  return folds;
}

function fold(block) {
  const spans = [...block.code.querySelectorAll(":scope > span[id^='__span-']")];
  const lines = block.code.textContent.replace(/\n+$/, "").split("\n");
  if (!block.highlight.matches(".language-python") || spans.length < lines.length || lines.length <= LONGEST) return;
  for (const [what, first, last] of foldable(lines)) {
    const folded = spans.slice(first - 1, last);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "fold";
    // Its words are drawn by the style, so that they are no part of the code.
    const say = (open) => {
      const count = `${last - first + 1} lines: ${what}`;
      button.setAttribute("aria-expanded", String(open));
      button.setAttribute("aria-label", `${open ? "Hide" : "Show"} ${count}`);
      button.dataset.label = `${open ? "Hide" : "Show"} ${count}`;
      folded.forEach((line) => line.classList.toggle("folded", !open));
    };
    button.addEventListener("click", () => say(button.getAttribute("aria-expanded") !== "true"));
    folded[0].before(button);
    say(false);
  }
}

document$.subscribe(() => {
  blocksOf(document).filter((block) => block.code && !block.code.querySelector(".fold")).forEach(fold);
});
