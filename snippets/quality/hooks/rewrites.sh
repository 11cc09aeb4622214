printf '#!/bin/sh\nruff format .\n' > .git/hooks/pre-commit
echo 'paid = {  "ann":1 }' > orders.py
git add orders.py
git commit --quiet --message "Add orders" && echo "the commit: made"
echo "in the commit: $(git show HEAD:orders.py)"
echo "in the folder: $(cat orders.py)"
