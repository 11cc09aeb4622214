git grep --ignore-case --untracked accounts -- :/
test $? = 1 &&
    test -z "$(git ls-files --cached --others --exclude-standard \
        ":(top,icase)*accounts*")" &&
    echo "nothing is left"
