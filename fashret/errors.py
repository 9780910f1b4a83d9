"""The one exception a user sees."""


class FashretError(Exception):
    """Bad input or a bad environment, said in one line: what is wrong, where, and what to do about it.

    The command line prints the message and exits with code 1; nothing is left under a final name.
    """
