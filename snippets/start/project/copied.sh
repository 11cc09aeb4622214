cp -r playbook/snippets/service order-desk
mv order-desk/src/accounts order-desk/src/order-desk
grep -rlI accounts order-desk | xargs sed -i s/accounts/order-desk/g
python3 order-desk/src/order-desk/main.py 2>&1 | tail -n 1
