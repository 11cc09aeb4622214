cd ../orders
make run
