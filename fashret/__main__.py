"""`python -m fashret` is the command `fashret`; torchrun needs this form."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C is one line even while that is being loaded."""
    try:
        from fashret.cli import main as command_line
    except KeyboardInterrupt:
        sys.stderr.write("fashret: interrupted; this run kept nothing\n")
        raise SystemExit(130) from None
    command_line()


if __name__ == "__main__":
    main()
