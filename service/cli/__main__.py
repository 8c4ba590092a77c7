"""`python -m service.cli`: the same as `tuneworks`."""

from service.cli import main

main()
