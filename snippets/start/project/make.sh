cd playbook || exit
make new NAME=orders TO=../orders
