git grep --ignore-case accounts || echo "nothing is left"
