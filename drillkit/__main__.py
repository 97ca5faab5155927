"""`python -m drillkit`."""

from drillkit.cli import main

main()
