// A link's anchor is kept while its page comes. Material notes how far a reader has scrolled a moment
// later, in the history's newest entry: after a click that is the next page's, which then opens there.
{
  let shown = location.pathname;
  const replace = history.replaceState.bind(history);
  history.replaceState = (state, ...rest) => {
    if (location.pathname === shown) replace(state, ...rest);
  };
  document$.subscribe(() => { shown = location.pathname; });
}
