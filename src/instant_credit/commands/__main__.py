"""`python -m instant_credit.commands` is the command line."""

from instant_credit.commands import main

main()
