mkdir src/orders/planted
size=$(find src tests -name '*.py' -exec cat {} + | wc -l)
yes "x = 1" | head -n "$size" > src/orders/planted/alone.py
pytest --cov | grep 'coverage of'
rm -r src/orders/planted
pytest --cov | grep 'coverage of'
