"""`python -m ebbtide`."""

from ebbtide.cli.start import main

main()
