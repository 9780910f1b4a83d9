"""`python -m fashret` is the command `fashret`; torchrun needs this form."""

from fashret.cli import main

if __name__ == "__main__":
    main()
