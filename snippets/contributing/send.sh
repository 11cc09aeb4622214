git switch --create order-of-results
git add README.md docs mkdocs.yml snippets tests
git commit --message "Show how to keep the order of results"
git push --set-upstream origin order-of-results
