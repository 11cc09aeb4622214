for seed in 1 2 3; do
    pytest --random-order-seed=$seed --numprocesses=0 own.py shared.py |
        sed -n "s/^FAILED \\([^ ]*\\).*/\\1 with the seed $seed/p"
done
