"""One public dataset, one module: its annotation layout becomes rows."""
