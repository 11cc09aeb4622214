printf '#!/bin/sh\nruff format --check .\n' > .git/hooks/pre-commit
echo 'paid = {  "ann":1 }' > orders.py
git add orders.py
ruff format --quiet orders.py
git commit --quiet --message "Add orders" && echo "the commit: made"
echo "in the commit: $(git show HEAD:orders.py)"
git reset --quiet --soft HEAD~1
prek install --overwrite
git commit --quiet --message "Add orders" || echo "with prek: refused"
