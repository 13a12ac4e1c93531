"""python -m nicegan: the command line."""

from nicegan.cli import main

main()
