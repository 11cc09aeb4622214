git init --quiet
git add invoices.py
git commit --quiet --message "Add invoices"
ruff format . && echo "the gate: green"
git diff --stat
