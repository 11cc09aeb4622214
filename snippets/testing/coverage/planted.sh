mkdir src/orders/planted
yes "x = 1" | head -n 100 > src/orders/planted/alone.py
pytest --cov | grep 'coverage of'
rm -r src/orders/planted
pytest --cov | grep 'coverage of'
