cd ../orders && make run
