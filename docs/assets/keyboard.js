// Gives the keyboard what Material leaves to the mouse: tables that are wider than their column
// and, on a narrow screen, the levels of the menu. Tells screen readers what is no landmark.
const tabbable = (element, yes) => yes ? element.setAttribute("tabindex", 0) : element.removeAttribute("tabindex");
const fitted = new ResizeObserver((entries) => entries.forEach(
  ({ target }) => tabbable(target, target.scrollWidth > target.clientWidth)));
const narrow = matchMedia("(max-width: 76.234375em)");

function openMenu() {
  document.querySelectorAll(".md-sidebar--primary label:is(.md-nav__title, [for=__toc])")
    .forEach((label) => tabbable(label, narrow.matches));
}

// A level of the table of contents, and the one button of a block, are no navigation of their own.
function unmark() {
  document.querySelectorAll(".md-sidebar--secondary .md-nav .md-nav, .md-code__nav").forEach((nav) => {
    nav.removeAttribute("aria-label");
    nav.setAttribute("role", "none");
  });
}

narrow.addEventListener("change", openMenu);
document$.subscribe(() => {
  openMenu();
  unmark();
  fitted.disconnect();
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((table) => fitted.observe(table));
});
