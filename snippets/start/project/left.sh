git grep --ignore-case accounts
test $? = 1 &&
    test -z "$(git ls-files ":(icase)*accounts*")" &&
    echo "nothing is left"
