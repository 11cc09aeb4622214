printf 'test:\n\tpytest --quiet --tb=no\n' > Makefile
echo "*.json" > .gitignore
echo '{"vat": 25}' > rates.json
git init --quiet
git add Makefile .gitignore test_habits.py
git commit --quiet --message "Add rates"
umask 022
export VAT=25 TZ=CET-1 LC_ALL=C.UTF-8
make --silent test > here.log && echo "here: green"
git status --short --ignored | grep -v cache
