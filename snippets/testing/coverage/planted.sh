yes "x = 1" | head -n 100 > src/orders/planted.py
pytest --cov | grep 'coverage of'
rm src/orders/planted.py
pytest --cov | grep 'coverage of'
