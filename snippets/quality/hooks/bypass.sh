echo 'paid = {  "ann":1 }' > orders.py
git add orders.py
git commit --quiet --no-verify --message "Add orders" && echo "the commit: made"
git clone --quiet . pipeline && cd pipeline || exit
test -e .git/hooks/pre-commit || echo "a clone has no hook"
prek run && echo "without --all-files: green"
prek run --all-files --quiet || echo "the pipeline: refused"
