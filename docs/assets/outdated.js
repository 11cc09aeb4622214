// The banner of an old version leads to the same page in the newest, or to its home where that has none.
document$.subscribe(() => {
  const banner = document.querySelector("[data-md-component=outdated]");
  const link = banner?.querySelector("a[data-home]");
  if (!link) return;
  const check = async () => {
    const answer = await fetch(link.href, { method: "HEAD" }).catch(() => null);
    if (!answer?.ok) link.href = link.dataset.home;
  };
  if (banner.hidden) new MutationObserver(check).observe(banner, { attributeFilter: ["hidden"] });
  else check();
});
