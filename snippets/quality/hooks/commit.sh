echo 'paid = {  "ann":1 }' > orders.py
git add orders.py
git commit --quiet --message "Add orders" || echo "the commit: refused"
ruff format orders.py
git add orders.py
git commit --quiet --message "Add orders" && echo "the commit: made"
