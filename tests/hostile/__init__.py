"""Hostile files: made on the fly, and given to every command that could open them.

A file from somewhere else may be damaged, cut off, something else than its name says, or made to harm: to read other
files of the machine, to fill its memory, to keep a command waiting for ever. Whatever it is, a command answers with one
line and exit code 1, and leaves nothing behind.

    files.py       how each hostile file is made: one function per fault, applied to a sound file of each kind
    commands.py    the commands that open each kind of file
    limits.py      a limit on time and on memory, and a watch on files that must not be opened
    test_*.py      the two put together

To add a hostile file, write one function in `files.py` and put it into a table there. To add a command, add a line to
`commands.py`. Tests run in this process, which is fast; `test_limits.py` repeats the worst in processes of their own.
"""
