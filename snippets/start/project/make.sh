cd playbook &&
    make new NAME=orders TO=../orders
