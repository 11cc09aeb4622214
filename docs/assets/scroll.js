// Lets the keyboard scroll a table that is wider than its column, as Material does for code.
const fitted = new ResizeObserver((entries) => entries.forEach(({ target }) => {
  if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
  else target.removeAttribute("tabindex");
}));

document$.subscribe(() => {
  fitted.disconnect();
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((table) => fitted.observe(table));
});
