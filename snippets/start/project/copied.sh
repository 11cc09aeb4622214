cp -r playbook/snippets/service order-desk
cd order-desk || exit
mv src/accounts src/order-desk
grep -rlI accounts . | xargs sed -i s/accounts/order-desk/g
python3 src/order-desk/main.py 2>&1 | tail -n 1
