cp -r src installed
sed -i 's/count += 1/count -= 1/' src/orders/sums.py
pytest --cov --override-ini=pythonpath=installed | grep 'orders/\|coverage of'
pytest | grep '^FAILED'
rm -r installed
cp sums.py src/orders
