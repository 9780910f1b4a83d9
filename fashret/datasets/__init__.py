"""Public datasets, one module each: its annotation layout becomes rows. `readers` finds the reader of any manifest.

`flags` has the options of single datasets; importing it loads none of the readers.
"""
