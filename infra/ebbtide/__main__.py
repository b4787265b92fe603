"""`python -m ebbtide`."""

from ebbtide.cli.main import main

main()
