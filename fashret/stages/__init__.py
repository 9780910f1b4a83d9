"""The six commands, one module each: files in, one file out, a summary returned. Stages never import each other."""
