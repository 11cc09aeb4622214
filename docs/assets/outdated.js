// The banner of an old version leads to the same page in the newest, or to its home where that has none.
document$.subscribe(() => {
  const banner = document.querySelector("[data-md-component=outdated]");
  const link = banner?.querySelector("a[data-home]");
  if (!link) return;
  const check = async () => {
    const answer = await fetch(link.href, { method: "HEAD" }).catch(() => null);
    if (!answer?.ok) link.href = link.dataset.home;
  };
  const base = new URL(JSON.parse(document.getElementById("__config").textContent).base, location);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  if (__md_get("__outdated", sessionStorage, base) === true) banner.hidden = false;  // known from another page
  if (banner.hidden) new MutationObserver(check).observe(banner, { attributeFilter: ["hidden"] });
  else check();
});
