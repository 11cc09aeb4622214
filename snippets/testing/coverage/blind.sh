git add src tests
git commit --quiet --message="Mend"
git switch --quiet --create=tidy
rm tests/test_sums.py tests/test_unpaid.py
pytest --cov --cov-report=xml | grep 'coverage of'
diff-cover coverage.xml --compare-branch=mend --branch-coverage \
    --fail-under=100 > change.log && echo "passed"
grep 'lines' change.log
git restore tests
