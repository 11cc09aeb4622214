cp -r src installed
sed 's/count += 1/count -= 1/' sums.py > src/orders/sums.py
pytest --cov --override-ini=pythonpath=installed | grep -E 'orders/|coverage of'
pytest | grep '^FAILED'
rm -r installed
cp sums.py src/orders
